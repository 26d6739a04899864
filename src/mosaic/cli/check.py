"""`mosaic check`: every mistake of every plan, at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from mosaic.cli.console import Format, guarded
from mosaic.compiler.diagnostic import Diagnostic, Severity


@guarded
def check(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Plans, folders of plans, or - for standard input.")
    ],
    format: Annotated[Format, typer.Option("--format", help="How diagnostics are printed.")] = Format.TEXT,
) -> None:
    """Report every mistake of plans: 0 none, 1 errors found, 2 something could not be read."""
    from mosaic.cli import console
    from mosaic.cli.sources import gather
    from mosaic.project import Project

    gathered = gather(paths)
    found = list(gathered.diagnostics)
    project = Project()
    for source in gathered.files:
        found.extend(project.check(source))
    # Two plans that use one broken library report its mistakes once.
    found = list(dict.fromkeys(found))
    console.show(found, as_json=format is Format.JSON, files=len(gathered.files))
    if format is Format.TEXT:
        typer.echo(_summary(found, len(gathered.files)))
    console.finish(found, unreadable=gathered.unreadable)


def _summary(found: Sequence[Diagnostic], files: int) -> str:
    read = f"{files} file{'' if files == 1 else 's'} checked"
    counts = [
        f"{number} {severity}{'' if number == 1 else 's'}"
        for severity in Severity
        if (number := sum(d.severity is severity for d in found))
    ]
    return f"{read}: {', '.join(counts) or 'no mistakes'}"
