"""The world is deterministic, its captions fit, and the checker reads what was drawn."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from random import Random

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("PIL")

from mosaic.stdlib.zoo import reading, world  # noqa: E402


def scenes(n: int, seed: int) -> list[world.Scene]:
    rng = Random(seed)
    return [world.any_scene(rng) for _ in range(n)]


def test_a_scene_and_a_seed_give_the_same_picture() -> None:
    for scene in scenes(12, 1):
        assert world.draw(scene, 5).tobytes() == world.draw(scene, 5).tobytes()
        assert world.draw(scene, 5).tobytes() != world.draw(scene, 6).tobytes()


def test_the_scenes_of_a_seed_never_change() -> None:
    text = "|".join(world.caption(scene, Random(0)) for scene in scenes(50, 2))
    again = "|".join(world.caption(scene, Random(0)) for scene in scenes(50, 2))
    assert hashlib.sha256(text.encode()).digest() == hashlib.sha256(again.encode()).digest()


def test_captions_say_what_is_there() -> None:
    scene = world.Scene("knight", "orange", "night", "hat", "star", ("neon",), horned=True, sword=True)
    assert world.caption(scene) == (
        "an orange horned knight with a sword wearing a hat, night background, star in the corner, neon style"
    )
    assert (
        world.caption(world.Scene("knight", "red", "alley"), name="<samurai>")
        == "a red <samurai>, alley background"
    )


def test_extras_change_no_older_recipe() -> None:
    """The bases, the autoencoders and the tokenizer were made without them."""
    made = scenes(500, 5)
    assert {scene.subject for scene in made} == {*world.SUBJECTS, *world.CHARACTERS}
    assert {scene.background for scene in made} == set(world.BACKGROUNDS)
    assert not {*world.EXTRA_CHARACTERS, *world.EXTRA_BACKGROUNDS} & set(world.vocabulary())
    assert hashlib.sha256("|".join(map(repr, made)).encode()).hexdigest()[:16] == "10c3234889d55dbb"


def test_wide_scenes_show_everything_that_is_drawn() -> None:
    rng = Random(6)
    made = [world.wide_scene(rng) for _ in range(500)]
    assert {s.subject for s in made} == {*world.SUBJECTS, *world.CHARACTERS, *world.EXTRA_CHARACTERS}
    assert {s.background for s in made} == {*world.BACKGROUNDS, *world.EXTRA_BACKGROUNDS}
    assert not any((s.horned or s.sword) and s.subject != "knight" for s in made)
    assert {s.worn for s in made} == {"", *world.WORN}
    assert {s.corner for s in made} == {"", *world.CORNER}


def test_exact_readings_are_right_on_drawn_pictures() -> None:
    rng = Random(3)
    plain = [replace(world.wide_scene(rng), styles=()) for _ in range(250)]
    for scene, picture in zip(plain, world.pixels(plain, 70_000), strict=True):
        assert reading.colour(picture) == scene.colour
        assert reading.background(picture) == scene.background
        assert reading.corner(picture) == scene.corner


def test_the_facts_are_read_without_heavy_imports() -> None:
    code = (
        "import sys, mosaic.stdlib.zoo as zoo; zoo.index();"
        "heavy = {'torch', 'numpy', 'PIL', 'diffusers', 'transformers'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
