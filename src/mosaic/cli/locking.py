"""The work of `mosaic lock`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer

from mosaic.api import session
from mosaic.api.faults import UnreadableError
from mosaic.api.selecting import settings_of
from mosaic.api.sources import gather
from mosaic.api.sweep import sweep
from mosaic.cli import console
from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.source import SourceFile
from mosaic.lock.comparing import differences
from mosaic.lock.document import Lock
from mosaic.lock.making import Made, ToLock, make
from mosaic.lock.places import below
from mosaic.lock.projects import read_lock_file
from mosaic.lock.reading import read_lock
from mosaic.lock.writing import lock_text
from mosaic.project import Project, read


@dataclass(frozen=True)
class Request:
    """What the command was asked."""

    paths: tuple[str, ...]
    output: Path
    settings: tuple[str, ...]
    locked: bool
    outputs: bool
    catalog: Path | None
    json_output: bool


def run_lock(request: Request) -> None:
    """Lock, or say what would change. Ends the command with 1 where `--locked` finds a difference."""
    old, notes = _old(request)
    folder = request.output.parent
    catalog = settings_of(str(request.output)).catalog_for(request.catalog)
    with Project(catalog) as project:
        made = make(_files(request, old), folder, project.context)
        lock = replace(made.lock, catalog=project.catalog.digest if project.catalog else "")
    lock = _recorded(request, old, lock, made)
    # As it will be read again: what was written is what is compared, and what is vouched for.
    new = read_lock(SourceFile(str(request.output), lock_text(lock)))
    changes = (*_changes(old, new), *notes)
    if request.locked:
        _refuse(request, changes)
    text = lock_text(lock)
    same = old is not None and old.source.text == text
    if not same and not request.locked:
        from mosaic.runtime.writing import write

        write(request.output, text.encode())
    console.show(made.notes, to_stderr=True)
    if request.json_output:
        console.print_json(_document(request, new, changes, written=not same and not request.locked))
        return
    for line in _lines(request, new, changes, old is not None, same):
        typer.echo(line)


def _old(request: Request) -> tuple[Lock | None, tuple[Diagnostic, ...]]:
    """The lock that is there. One that cannot be read is written anew, unless it is to be held to."""
    if not request.output.exists():
        if request.locked:
            raise MosaicError(errors.integrity.NoLock(None, f"`{request.output}`"))
        return None, ()
    try:
        return read_lock_file(request.output), ()
    except MosaicError as error:
        if request.locked or not request.paths:
            raise
        return None, error.diagnostics


def _files(request: Request, old: Lock | None) -> list[ToLock]:
    """The files that were named, and those that the lock holds and that are still there."""
    folder = request.output.parent
    gathered = gather(request.paths)
    if gathered.unreadable:
        raise UnreadableError(*gathered.diagnostics)
    if any(source.name.startswith("<") for source in gathered.files):
        raise typer.BadParameter("standard input has no place; a lock names files", param_hint="PATH")
    found: dict[str, ToLock] = {}
    for source in gathered.files:
        file = below(Path(source.name), folder)
        if file is None:
            raise MosaicError(errors.integrity.PlanOutside(None, source.name))
        found.setdefault(file, ToLock(source, _settings(request.settings, source, len(gathered.files))))
    if old is None and not request.paths:
        raise MosaicError(errors.integrity.NoLock(None, "this folder"))
    for plan in old.plans if old is not None else ():
        path = folder / plan.file
        if plan.file not in found and path.is_file():
            found[plan.file] = ToLock(read(path, path.as_posix()), plan.settings)
    return [found[file] for file in sorted(found)]


def _settings(given: Sequence[str], source: SourceFile, files: int) -> dict[str, str]:
    """One value a parameter. Of several files, each takes the settings of the parameters that it has."""
    declared = session.parameters(source)
    if files > 1:
        names = [parameter.name.text for parameter in declared]
        given = [setting for setting in given if setting.partition("=")[0].strip() in names]
    wanted = sweep(given, declared)
    if wanted.open_axes:
        raise typer.BadParameter("one value each; a lock is of one picture", param_hint="--set")
    (cell,) = wanted
    return {name: str(value) for name, value in cell.parameters.items()}


def _recorded(request: Request, old: Lock | None, lock: Lock, made: Made) -> Lock:
    """With the digests of what the plans emit: computed where that was asked, else those that are still true."""
    if request.outputs:
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


def _refuse(request: Request, changes: Sequence[Diagnostic]) -> None:
    if not changes:
        return
    console.show(changes, as_json=request.json_output, to_stderr=not request.json_output)
    console.finish(changes)


def _document(
    request: Request, lock: Lock, changes: Sequence[Diagnostic], *, written: bool
) -> dict[str, Any]:
    """The JSON shape that docs/json.md describes."""
    return {
        "version": console.JSON_VERSION,
        "lock": request.output.as_posix(),
        "written": written,
        "plans": [{"file": p.file, "plan": p.plan, "program": p.program} for p in lock.plans],
        "experts": [{"id": e.key, "kind": e.facts.kind.value, "digest": e.digest} for e in lock.experts],
        "changes": [change.message() for change in changes],
    }


def _lines(
    request: Request, lock: Lock, changes: Sequence[Diagnostic], known: bool, same: bool
) -> Iterator[str]:
    for change in changes:
        yield f"changed: {_what(change)}"
    plans, experts = len(lock.plans), len(lock.experts)
    counts = f"{plans} plan{'' if plans == 1 else 's'}, {experts} expert{'' if experts == 1 else 's'}"
    if same or request.locked:
        yield f"{request.output} is up to date: {counts}"
    else:
        yield f"{request.output} {'updated' if known else 'written'}: {counts}"


def _what(change: Diagnostic) -> str:
    text = getattr(change, "what", "") or change.message()
    now = getattr(change, "now", "")
    return f"{text}: {now}" if now else str(text)
