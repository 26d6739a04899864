"""Every mistake of every plan: what `mosaic check` prints."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mosaic.api.reports import Report
from mosaic.api.selecting import Wanted, shown
from mosaic.api.sources import Gathered, gather
from mosaic.api.texts import Text, sources_of
from mosaic.api.workers import World, check_files, groups, processes
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ignoring import Found, without_lints


def check(
    plans: Text | Iterable[Text],
    *,
    catalog: str | os.PathLike[str] | None = None,
    device: str | None = None,
    select: Iterable[str] | None = None,
    ignore: Iterable[str] | None = None,
    locked: bool = False,
    frozen: bool = False,
    offload: bool = False,
    batch: int | None = None,
    jobs: int = 1,
) -> Report:
    """Every mistake of plans: texts, files, folders of plans, one or several.

    Settings of the project count (`mosaic.toml`), and so does a `mosaic.lock` beside a plan. `catalog`, `device` and
    the rest are the options of `mosaic check`. What cannot be read is told in the report. Several `jobs` are processes
    that are forked (on Linux), which a program with threads had better not do.

    Raises MosaicError for settings and codes that mean nothing, UsageError for options that do.

    >>> report = mosaic.check(PLAN.replace("zoo/base", "zoo/bse").replace("steps", "stpes"))
    >>> [(found.code, found.message()) for found in report]
    [('M210', 'unknown checkpoint `zoo/bse`'), ('M204', '`sample` has no argument `stpes`')]
    """
    world = world_by(catalog, device, locked=locked, frozen=frozen, offload=offload, batch=batch)
    wanted = Wanted.of(select, ignore)
    return look(gather(sources_of(plans)), Asked(world, wanted, jobs))


@dataclass(frozen=True)
class Asked:
    """How plans are checked: the world, what is shown of what is found, in how many processes."""

    world: World = field(default_factory=World)
    wanted: Wanted = field(default_factory=Wanted)
    jobs: int | None = None


def look(gathered: Gathered, asked: Asked) -> Report:
    """Check what was gathered."""
    checked, catalogs = _check(gathered, asked)
    told = shown(checked, gathered.settings, asked.wanted, without_lints)
    # Two plans that use one broken library report its mistakes once.
    found = tuple(dict.fromkeys((*gathered.diagnostics, *(d for _, each in told for d in each))))
    names = tuple(source.name for source in gathered.files)
    return Report(found, names, catalogs, gathered.unreadable)


def world_by(
    catalog: str | os.PathLike[str] | None,
    device: str | None = None,
    *,
    locked: bool = False,
    frozen: bool = False,
    offload: bool = False,
    batch: int | None = None,
) -> World:
    """The world that options ask for."""
    return World(Path(catalog) if catalog is not None else None, device, locked, frozen, offload, batch)


def world_of(name: str, gathered: Gathered, asked: World) -> World:
    """The world that a file is checked in, by what was asked and the settings that hold for it."""
    return asked.at(gathered.settings.of(name))


def _check(gathered: Gathered, asked: Asked) -> tuple[tuple[Found, ...], tuple[str, ...]]:
    """What was found in each file, and the catalogs that were asked."""
    found: list[tuple[Diagnostic, ...]] = [()] * len(gathered.files)
    catalogs: dict[str, None] = {}
    worlds = [world_of(source.name, gathered, asked.world) for source in gathered.files]
    for world, numbers in groups(worlds):
        files = [gathered.files[number] for number in numbers]
        checked = check_files(files, world, processes(len(files), asked.jobs))
        for number, told in zip(numbers, checked.found, strict=True):
            found[number] = told
        if checked.catalog:
            catalogs.setdefault(checked.catalog)
    return tuple(zip(gathered.files, found, strict=True)), tuple(catalogs)
