"""`mosaic check`: every mistake of every plan, at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mosaic.api.workers import World
from mosaic.cli.checking import Options, check_paths
from mosaic.cli.options import BATCH, CATALOG, DEVICE, FROZEN, IGNORE, LOCKED, OFFLOAD, SELECT
from mosaic.compiler.reporting import Format


def check(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Plans, folders of plans, or - for standard input.")
    ],
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
    warnings_as_errors: Annotated[
        bool, typer.Option("--warnings-as-errors", help="Exit with 1 where there are warnings, too.")
    ] = False,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Say how often each code is found, the most frequent first.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", metavar="N", min=1, help="Processes \\[default: what pays].", show_default=False
        ),
    ] = None,
    catalog: Annotated[Path | None, CATALOG] = None,
    device: Annotated[str | None, DEVICE] = None,
    locked: Annotated[bool, LOCKED] = False,
    frozen: Annotated[bool, FROZEN] = False,
    offload: Annotated[bool, OFFLOAD] = False,
    batch: Annotated[int | None, BATCH] = None,
) -> None:
    """Report every mistake of plans: 0 none, 1 errors found, 2 something could not be read."""
    if statistics and format not in (None, Format.TEXT, Format.JSON):
        raise typer.BadParameter("they are told as text and as JSON", param_hint="--statistics")
    world = World(catalog, device, locked, frozen, offload, batch)
    asked = (tuple(select or ()), tuple(ignore or ()), statistics, warnings_as_errors, jobs)
    check_paths(paths, Options(format, world, *asked))
