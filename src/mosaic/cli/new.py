"""`mosaic new`: a project of plans, ready for git and CI."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mosaic.cli.console import guarded
from mosaic.cli.options import CATALOG


class Ci(StrEnum):
    """The CI service that a project is written for."""

    GITHUB = "github"
    GITLAB = "gitlab"
    NONE = "none"


@guarded
def new(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="A new folder.")],
    ci: Annotated[Ci, typer.Option("--ci", help="The CI service that the project is for.")] = Ci.GITHUB,
    catalog: Annotated[Path | None, CATALOG] = None,
) -> None:
    """Start a project: a plan, settings, a lock, what CI and pre-commit run. What it writes passes its own CI."""
    from mosaic.api.starting import new as start

    for path in start(name, ci=ci.value, catalog=catalog):
        typer.echo(f"wrote {path}")
    typer.echo(f"\nnext: cd {name}, git init, mosaic run plans/first.mosaic -o out; README.md says more")
