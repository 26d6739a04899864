"""What plans are made of, pinned; and whether this machine would give the same: `mosaic lock` and `mosaic verify`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mosaic.api.faults import UnreadableError, UsageError
from mosaic.api.selecting import settings_of
from mosaic.api.session import parameters as declared
from mosaic.api.sources import gather, readable
from mosaic.api.sweep import sweep_of
from mosaic.api.texts import Text, sources_of
from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.source import SourceFile
from mosaic.lock.comparing import differences
from mosaic.lock.document import Lock
from mosaic.lock.making import Made, ToLock, make
from mosaic.lock.places import below
from mosaic.lock.projects import LockedProject, Mode, read_lock_file
from mosaic.lock.reading import read_lock
from mosaic.lock.verifying import Verified
from mosaic.lock.verifying import verify as look
from mosaic.lock.writing import lock_text
from mosaic.project import Project, read, read_bytes

Given = Callable[[SourceFile, int], Mapping[str, str]]
"""The values of a file's parameters, one of so many files that are locked."""


@dataclass(frozen=True)
class Locked:
    """A lock as it is, or would be, and how it differs from the one that was there.

    `notes` are the compiler's warnings and notes; `known` says whether there was a lock before, `written` whether this
    one was written.

    >>> locked = mosaic.lock_plans(plan, output=folder / "mosaic.lock")
    >>> locked.written, [expert.key for expert in locked.lock.experts]
    (True, ['zoo/base'])
    >>> mosaic.lock_plans(output=folder / "mosaic.lock", locked=True).same
    True
    """

    path: Path
    lock: Lock
    changes: tuple[Diagnostic, ...] = ()
    notes: tuple[Diagnostic, ...] = ()
    known: bool = False
    same: bool = False
    written: bool = False


def lock_plans(
    plans: Text | Iterable[Text] = (),
    *,
    output: str | os.PathLike[str] = "mosaic.lock",
    parameters: Mapping[str, object] | None = None,
    locked: bool = False,
    outputs: bool = False,
    catalog: str | os.PathLike[str] | None = None,
) -> Locked:
    """Resolve plans (files and folders; none: those that the lock holds) and pin what they are made of.

    Each plan takes those of the `parameters` that it has. With `outputs` the plans are run, and the digests of what
    they emit recorded. With `locked` nothing is written: `changes` says what would change, and `same` that nothing
    would.

    Raises MosaicError where a plan has errors or there is no lock to hold to.

    >>> mosaic.lock_plans(plan, output=folder / "mosaic.lock").lock.plans[0].plan
    'cat'
    """

    def values(source: SourceFile, files: int) -> Mapping[str, str]:
        names = [each.name.text for each in declared(source)]
        given = parameters or {}
        mine = given if files == 1 else {name: given[name] for name in given if name in names}
        (cell,) = sweep_of(mine, {})
        return cell.parameters

    asked = Path(catalog) if catalog is not None else None
    return pin(tuple(sources_of(plans)), Path(output), values, locked=locked, outputs=outputs, catalog=asked)


def pin(
    plans: tuple[SourceFile | str, ...],
    output: Path,
    values: Given,
    *,
    locked: bool,
    outputs: bool,
    catalog: Path | None,
) -> Locked:
    """The work of `lock_plans`."""
    old, notes = _old(plans, output, locked)
    catalog = settings_of(str(output)).catalog_for(catalog)
    with Project(catalog) as project:
        made = make(_files(plans, output, values, old), output.parent, project.context)
        lock = replace(made.lock, catalog=project.catalog.digest if project.catalog else "")
    lock = _recorded(outputs, old, lock, made)
    # As it will be read again: what was written is what is compared, and what is vouched for.
    text = lock_text(lock)
    new = read_lock(SourceFile(str(output), text))
    same = old is not None and old.source.text == text
    if not same and not locked:
        from mosaic.runtime.writing import write

        write(output, text.encode())
    changes = (*_changes(old, new), *notes)
    return Locked(output, new, changes, made.notes, old is not None, same, not same and not locked)


def verify(
    lock: str | os.PathLike[str] = "mosaic.lock",
    *,
    run: bool = False,
    catalog: str | os.PathLike[str] | None = None,
) -> Verified:
    """Whether this machine would give the locked pictures: `verdict`, and everything that was looked at in `findings`.

    With `run` the plans whose outputs were recorded are run too, and what they emit is compared.

    Raises MosaicError where the lock cannot be read.

    >>> locked = mosaic.lock_plans(plan, output=folder / "mosaic.lock")
    >>> print(mosaic.verify(locked.path).verdict)
    same bytes expected
    """
    path = Path(lock)
    with readable():
        read_bytes(path, 1)
    found = read_lock_file(path)
    asked = settings_of(str(path)).catalog_for(Path(catalog) if catalog is not None else None)
    with LockedProject(asked, Mode.FROZEN, path) as project:
        return look(found, path.parent, project, run=run)


def _old(
    plans: tuple[SourceFile | str, ...], output: Path, locked: bool
) -> tuple[Lock | None, tuple[Diagnostic, ...]]:
    """The lock that is there. One that cannot be read is written anew, unless it is to be held to."""
    if not output.exists():
        if locked:
            raise MosaicError(errors.integrity.NoLock(None, f"`{output}`"))
        return None, ()
    try:
        return read_lock_file(output), ()
    except MosaicError as error:
        if locked or not plans:
            raise
        return None, error.diagnostics


def _files(
    plans: tuple[SourceFile | str, ...], output: Path, values: Given, old: Lock | None
) -> list[ToLock]:
    """The files that were named, and those that the lock holds and that are still there."""
    folder = output.parent
    gathered = gather(plans)
    if gathered.unreadable:
        raise UnreadableError(*gathered.diagnostics)
    if any(source.name.startswith("<") for source in gathered.files):
        raise UsageError("standard input and texts have no place; a lock names files", "PATH")
    found: dict[str, ToLock] = {}
    for source in gathered.files:
        file = below(Path(source.name), folder)
        if file is None:
            raise MosaicError(errors.integrity.PlanOutside(None, source.name))
        found.setdefault(file, ToLock(source, values(source, len(gathered.files))))
    if old is None and not plans:
        raise MosaicError(errors.integrity.NoLock(None, "this folder"))
    for plan in old.plans if old is not None else ():
        path = folder / plan.file
        if plan.file not in found and path.is_file():
            found[plan.file] = ToLock(read(path, path.as_posix()), plan.settings)
    return [found[file] for file in sorted(found)]


def _recorded(outputs: bool, old: Lock | None, lock: Lock, made: Made) -> Lock:
    """With the digests of what the plans emit: computed where that was asked, else those that are still true."""
    if outputs:
        from mosaic.lock.outputs import record

        return record(lock, made)
    if old is None or not old.recorded or old.toolchain != lock.toolchain:
        return lock
    known = {(plan.key, plan.program): plan.outputs for plan in old.plans}
    plans = tuple(replace(plan, outputs=known.get((plan.key, plan.program), {})) for plan in lock.plans)
    return replace(lock, plans=plans, recorded=old.recorded if any(p.outputs for p in plans) else {})


def _changes(old: Lock | None, new: Lock) -> tuple[Diagnostic, ...]:
    if old is None:
        return ()
    files = [plan.file for plan in new.plans]
    gone = tuple(
        errors.integrity.LockOutdated(old.where("plan", *plan.key, "name"), f"{plan.shown} is gone")
        for plan in old.plans
        if plan.file not in files
    )
    return (*differences(old, new), *gone)
