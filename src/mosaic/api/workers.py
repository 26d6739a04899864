"""Checking many files, in several processes where that pays."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.api.opening import manner, open_project
from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.source import SourceFile
from mosaic.settings import Settings

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

    from mosaic.lock.projects import LockedProject

PAYS = 100
"""Files a process: starting one takes what checking some seventy files does (docs/benchmarks.md)."""
_CHUNK = 16
_FORKS = sys.platform.startswith("linux")
"""A fork has everything at hand already. Elsewhere it is not safe (macOS) or does not exist (Windows)."""


@dataclass(frozen=True)
class World:
    """How the project is opened that files are checked in: plain values, which another process can be sent."""

    catalog: Path | None = None
    device: str | None = None
    locked: bool = False
    frozen: bool = False
    offload: bool = False
    batch: int | None = None

    def at(self, settings: Settings) -> World:
        """With what a project's settings say where the command line says nothing."""
        return replace(
            self, catalog=settings.catalog_for(self.catalog), device=settings.device_for(self.device)
        )

    def open(self) -> LockedProject:
        """The project. Raises what `open_project` raises."""
        return open_project(
            self.catalog,
            locked=self.locked,
            frozen=self.frozen,
            device=self.device,
            manner=manner(self.offload, self.batch),
            fits=True,
        )


@dataclass(frozen=True)
class Checked:
    """What was found in files, in their order, and the catalog that was asked, as a summary names it."""

    found: tuple[tuple[Diagnostic, ...], ...]
    catalog: str = ""


def processes(files: int, asked: int | None) -> int:
    """How many processes check so many files: as many as were asked for, else what pays."""
    if asked is not None:
        return max(1, min(asked, files))
    return max(1, min(_cores(), files // PAYS))


def check_files(files: Sequence[SourceFile], world: World, jobs: int) -> Checked:
    """Check files in so many processes; the outcome does not depend on how many."""
    if jobs == 1:
        with world.open() as project:
            return _check(project, files)
    from concurrent.futures import ProcessPoolExecutor

    project = world.open()  # what is wrong with an option is told here, and once
    chunks = [files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK)]
    if _FORKS:
        _warm(project, files[0])
    given = (project if _FORKS else world,)
    executor = ProcessPoolExecutor(min(jobs, len(chunks)), _context(), _begin, given)
    try:
        with _uninterrupted():
            running = executor.map(_check_chunk, chunks)
        parts = list(running)
    finally:
        executor.shutdown(cancel_futures=True)
    catalog = next((part.catalog for part in parts if part.catalog), "")
    return Checked(tuple(told for part in parts for told in part.found), catalog)


def _check(project: LockedProject, files: Sequence[SourceFile]) -> Checked:
    found = tuple(project.check(source) for source in files)
    asked = project.catalog
    return Checked(found, f"catalog {asked.place} @ {asked.digest[:12]}" if asked is not None else "")


def _context() -> BaseContext:
    import multiprocessing

    return multiprocessing.get_context("fork" if _FORKS else "spawn")


def _warm(project: LockedProject, source: SourceFile) -> None:
    """Make what every process needs: the parser's tables, and a context. No catalog is opened: a connection cannot be
    shared with a fork."""
    from mosaic.compiler.syntax.cursor import tables

    tables()
    with suppress(MosaicError):  # told where the file is checked
        project.context(source)
    assert project.catalog is None


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Interrupts wait until the processes that are started inside know that they are not for them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_opened: list[LockedProject] = []
"""The project of this process, where it is one of several: it lives as long as the process."""


def _begin(given: LockedProject | World) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the process that started this one
    _opened.append(given.open() if isinstance(given, World) else given)


def _check_chunk(files: Sequence[SourceFile]) -> Checked:
    return _check(_opened[0], files)


def groups(worlds: Sequence[World]) -> Iterator[tuple[World, list[int]]]:
    """Equal worlds, in the order of their first file, with the numbers of their files."""
    numbers: dict[World, list[int]] = {}
    for number, world in enumerate(worlds):
        numbers.setdefault(world, []).append(number)
    yield from numbers.items()
