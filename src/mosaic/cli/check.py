"""`mosaic check`: every mistake of every plan, at once."""

from __future__ import annotations

from typing import Annotated

import typer

from mosaic.cli.console import Format, guarded


@guarded
def check(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Plans, folders of plans, or - for standard input.")],
    format: Annotated[Format, typer.Option("--format", help="How diagnostics are printed.")] = Format.TEXT,
) -> None:
    """Report every mistake of plans: 0 none, 1 errors found, 2 something could not be read."""
    from mosaic.cli import console
    from mosaic.cli.sources import gather
    from mosaic.project import Project

    gathered = gather(paths)
    found = list(gathered.diagnostics)
    if gathered.files:
        project = Project.here()
        for source in gathered.files:
            found.extend(project.check(source))
    # Two plans that import one broken library report its mistakes once.
    found = list(dict.fromkeys(found))
    console.show(found, as_json=format is Format.JSON, files=len(gathered.files))
    if format is Format.TEXT:
        console.summary(found, len(gathered.files))
    console.finish(found, unreadable=gathered.unreadable)
