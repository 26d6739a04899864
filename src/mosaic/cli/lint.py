"""`mosaic lint`: what plans could say better, and the fixes that say it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mosaic.cli.console import guarded
from mosaic.cli.options import CATALOG, DEVICE, FROZEN, LOCKED
from mosaic.compiler.reporting import Format


@guarded
def lint(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Plans, folders of plans, or - for standard input.")
    ],
    fix: Annotated[
        bool, typer.Option("--fix", help="Make every fix that cannot change what a plan means.")
    ] = False,
    unsafe: Annotated[
        bool, typer.Option("--unsafe-fixes", help="Make the other fixes too; look at what they did.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Write nothing; print what the fixes would change.")
    ] = False,
    format: Annotated[Format, typer.Option("--format", help="How diagnostics are printed.")] = Format.TEXT,
    select: Annotated[
        str,
        typer.Option("--select", metavar="CODES", help="Only these warnings and notes, such as M0,M430."),
    ] = "",
    ignore: Annotated[
        str, typer.Option("--ignore", metavar="CODES", help="All warnings and notes but these.")
    ] = "",
    catalog: Annotated[Path | None, CATALOG] = None,
    device: Annotated[str | None, DEVICE] = None,
    locked: Annotated[bool, LOCKED] = False,
    frozen: Annotated[bool, FROZEN] = False,
) -> None:
    """Report what plans could say better, and their mistakes: 0 nothing, 1 something is left, 2 something could not be
    read.
    """
    from mosaic.cli.linting import Options, Selection, lint_paths
    from mosaic.cli.opening import open_project

    options = Options(fix or unsafe, unsafe, diff, format, Selection.of(select, ignore))
    with open_project(catalog, locked=locked, frozen=frozen, device=device, fits=True) as project:
        lint_paths(paths, project, options)
