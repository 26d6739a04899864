"""`mosaic lint`: what plans could say better, and the fixes that say it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mosaic.cli.options import CATALOG, DEVICE, FROZEN, IGNORE, LOCKED, SELECT
from mosaic.compiler.reporting import Format


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
    format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="How diagnostics are printed \\[default: text; in a workflow of GitHub annotations too].",
            show_default=False,
        ),
    ] = None,
    select: Annotated[list[str] | None, SELECT] = None,
    ignore: Annotated[list[str] | None, IGNORE] = None,
    catalog: Annotated[Path | None, CATALOG] = None,
    device: Annotated[str | None, DEVICE] = None,
    locked: Annotated[bool, LOCKED] = False,
    frozen: Annotated[bool, FROZEN] = False,
) -> None:
    """Report what plans could say better, and their mistakes: 0 nothing, 1 something is left, 2 something could not be
    read.
    """
    from mosaic.api.workers import World
    from mosaic.cli.linting import Options, lint_paths

    world = World(catalog, device, locked, frozen)
    codes = (tuple(select or ()), tuple(ignore or ()))
    lint_paths(paths, Options(fix or unsafe or diff, unsafe, diff, format, *codes, world))
