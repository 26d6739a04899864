"""From plans or compiled programs to files: what `mosaic run` does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.api import session
from mosaic.api.faults import UsageError
from mosaic.api.opening import manner, open_project
from mosaic.api.selecting import settings_of
from mosaic.api.session import Job, Jobs, Outcome
from mosaic.api.sweep import sweep_of
from mosaic.api.texts import Text, read_source, source_of
from mosaic.caches import open_cache
from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.errors.face import CacheUnusable, NotToTheBit
from mosaic.compiler.program import Program
from mosaic.project import DeviceName, DtypeName, Project, engine

if TYPE_CHECKING:
    from mosaic.runtime.cache.disk import Disk
    from mosaic.runtime.progress import Progress


@dataclass(frozen=True)
class How:
    """How programs are run: as the options of `mosaic run` of these names."""

    device: DeviceName = "auto"
    dtype: DtypeName = "auto"
    catalog: Path | None = None
    locked: bool = False
    frozen: bool = False
    cache: Disk | None = None
    batch: int | None = None
    offload: bool = False
    strict: bool = False


def run(
    plan: Text | Program,
    *,
    output: str | os.PathLike[str] = ".",
    only: str | None = None,
    parameters: Mapping[str, object] | None = None,
    sweep: Mapping[str, Iterable[object]] | None = None,
    report: str | os.PathLike[str] | None = None,
    device: DeviceName = "auto",
    dtype: DtypeName = "auto",
    catalog: str | os.PathLike[str] | None = None,
    locked: bool = False,
    frozen: bool = False,
    cache: str | os.PathLike[str] | bool = True,
    batch: int | None = None,
    offload: bool = False,
    strict: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Run plans (a file or a text) or a compiled program (an object, or a .json file), writing what they emit under
    `output`. Needs the `run` extra.

    Of a file with several plans each writes into a folder of its name, unless `only` one is run. `sweep` gives
    parameters several values: every combination is run, sharing what they have in common. Results are kept in a
    `cache`, the user's own or a folder; False keeps none. With `batch`, runs of one model denoise together, at most so
    many rows in one call: the same only up to floating point, which `strict` refuses. With `offload` networks wait in
    main memory and are on the device one at a time: the same to the bit. `report` is a folder for a page about it.

    Raises MosaicError with every diagnostic where plans have errors, cannot be run, or do not fit into the memory of
    the device.

    >>> outcome = mosaic.run(PLAN, output=folder, parameters={"seed": 2})
    >>> [(file.type, file.path.name) for file in outcome.files]
    [('image', 'cat.png')]
    """
    disk = None if cache is False else open_cache(None if cache is True else Path(cache))
    asked = Path(catalog) if catalog is not None else None
    if not isinstance(plan, Program) and not _is_program(plan):
        source = read_source(plan)
        asked = settings_of(source.name).catalog_for(asked)
        wanted = sweep_of(parameters or {}, sweep or {})

        def compiled(project: Project) -> Jobs:
            return session.jobs(project, source, only, wanted)
    else:
        if parameters or sweep or only or locked or frozen:
            raise UsageError(
                "a compiled program is closed: parameters, plans and locks are of the plan itself"
            )
        made = Jobs((Job(plan),)) if isinstance(plan, Program) else session.closed(_path(plan))

        def compiled(project: Project) -> Jobs:
            return made

    how = How(device, dtype, asked, locked, frozen, disk, batch, offload, strict)
    return perform(compiled, how, Path(output), None if report is None else Path(report), progress)


def perform(
    compiled: Callable[[Project], Jobs],
    how: How,
    output: Path,
    report: Path | None = None,
    progress: Progress | None = None,
    tell: Callable[[tuple[Diagnostic, ...]], None] = lambda notes: None,
    before: str = "",
) -> Outcome:
    """Compile what is asked for, and run it where it fits; `tell` is told warnings and notes, before and after. The
    report leads to the page `before` in its folder, which says how the plan came to be."""
    if how.strict and how.batch is not None:
        raise MosaicError(NotToTheBit(None, f"--batch {how.batch}"))
    with open_project(how.catalog, locked=how.locked, frozen=how.frozen) as project:
        jobs = compiled(project)
    told = manner(how.offload, how.batch, len(jobs.jobs))
    worker = engine(
        device=how.device,
        dtype=how.dtype,
        progress=progress,
        beside=jobs.beside,
        cache=how.cache,
        batch=how.batch,
        offload=how.offload,
    )
    room = session.room(worker, jobs)
    if not session.fits(project, jobs, room, told):
        # Only now is it known what the device has. Perhaps other operators fit; else this says what would.
        with open_project(
            how.catalog, locked=how.locked, frozen=how.frozen, manner=told, room=room
        ) as project:
            jobs = compiled(project)
    tell(jobs.notes)
    session.at_hand(jobs)
    outcome = session.work(worker, jobs, output, report, before)
    if how.cache is not None and how.cache.trouble is not None:
        tell((CacheUnusable(None, str(how.cache.folder), how.cache.trouble),))
    return outcome


def _is_program(plan: Text) -> bool:
    found = source_of(plan)
    return isinstance(found, str) and found.endswith(session.PROGRAM)


def _path(plan: Text) -> str:
    found = source_of(plan)
    assert isinstance(found, str), "only a path names a program"
    return found
