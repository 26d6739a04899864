"""M7xx: experts that are not the bytes that were catalogued or locked."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from benchmarks.corpus.among import sound
from benchmarks.corpus.scene import Lock, Scene, Use
from benchmarks.corpus.world import Expert, World


def _named(world: World) -> tuple[Scene, Expert]:
    """A scene, and an expert of it at the mark: the base or a LoRA."""
    name = world.family()
    base = world.base(name)
    uses = [Use(world.lora(name), 0.5) for _ in range(world.random.randint(1, 3))]
    place = world.random.randint(-1, len(uses) - 1)
    if place < 0:
        return Scene(base, uses, "base"), base
    return Scene(base, uses, f"load:{place}"), uses[place].expert


def changed(world: World) -> Scene:
    scene, expert = _named(world)
    path = world.on_disk(expert)
    if world.random.random() < 0.5:
        path.write_bytes(b"something else, and longer than before " * 4)
    else:  # of the same length, written later
        path.write_bytes(b"x" * path.stat().st_size)
        os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 2_000_000_000))
    return scene


def missing(world: World) -> Scene:
    scene, expert = _named(world)
    world.on_disk(expert).unlink()
    return scene


def unchanged(world: World) -> Scene:
    scene, expert = _named(world)
    world.on_disk(expert)
    return sound(scene)


def unhashed(world: World) -> Scene:
    scene, expert = _named(world)
    world.unhashed(expert)
    return scene


def hashed(world: World) -> Scene:
    return sound(_named(world)[0])


def unpinned(strict: bool) -> Callable[[World], Scene]:
    """An expert that the lock does not hold."""

    def made(world: World) -> Scene:
        scene, expert = _named(world)
        return replace(scene, lock=Lock(strict, without=(expert.id,)))

    return made


def exchanged(strict: bool) -> Callable[[World], Scene]:
    """An expert of which the lock holds another digest."""

    def made(world: World) -> Scene:
        scene, expert = _named(world)
        return replace(scene, lock=Lock(strict, other=(expert.id,)))

    return made


def pinned(world: World) -> Scene:
    scene, _ = _named(world)
    beside = world.lora(world.family())  # somebody else's, not in the lock
    return replace(sound(scene), lock=Lock(world.random.random() < 0.5, without=(beside.id,)))
