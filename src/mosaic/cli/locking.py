"""The work of `mosaic lock`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from mosaic.api import session
from mosaic.api.locking import Locked, pin
from mosaic.api.sweep import sweep
from mosaic.cli import console
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.source import SourceFile


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
    locked = pin(
        request.paths,
        request.output,
        lambda source, files: _values(request, source, files),
        locked=request.locked,
        outputs=request.outputs,
        catalog=request.catalog,
    )
    if request.locked and locked.changes:
        console.show(locked.changes, as_json=request.json_output, to_stderr=not request.json_output)
        console.finish(locked.changes)
    console.show(locked.notes, to_stderr=True)
    if request.json_output:
        console.print_json(_document(locked))
        return
    for line in _lines(request, locked):
        typer.echo(line)


def _values(request: Request, source: SourceFile, files: int) -> Mapping[str, str]:
    """One value a parameter. Of several files, each takes the settings of the parameters that it has."""
    given, declared = request.settings, session.parameters(source)
    if files > 1:
        names = [parameter.name.text for parameter in declared]
        given = tuple(each for each in given if each.partition("=")[0].strip() in names)
    wanted = sweep(given, declared)
    if wanted.open_axes:
        raise typer.BadParameter("one value each; a lock is of one picture", param_hint="--set")
    (cell,) = wanted
    return cell.parameters


def _document(locked: Locked) -> dict[str, Any]:
    """The JSON shape that docs/json.md describes."""
    lock = locked.lock
    return {
        "version": console.JSON_VERSION,
        "lock": locked.path.as_posix(),
        "written": locked.written,
        "plans": [{"file": p.file, "plan": p.plan, "program": p.program} for p in lock.plans],
        "experts": [{"id": e.key, "kind": e.facts.kind.value, "digest": e.digest} for e in lock.experts],
        "changes": [change.message() for change in locked.changes],
    }


def _lines(request: Request, locked: Locked) -> Iterator[str]:
    for change in locked.changes:
        yield f"changed: {_what(change)}"
    plans, experts = len(locked.lock.plans), len(locked.lock.experts)
    counts = f"{plans} plan{'' if plans == 1 else 's'}, {experts} expert{'' if experts == 1 else 's'}"
    if locked.same or request.locked:
        yield f"{request.output} is up to date: {counts}"
    else:
        yield f"{request.output} {'updated' if locked.known else 'written'}: {counts}"


def _what(change: Diagnostic) -> str:
    text = getattr(change, "what", "") or change.message()
    now = getattr(change, "now", "")
    return f"{text}: {now}" if now else str(text)
