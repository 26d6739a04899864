"""`mosaic lock`: write down what plans are made of, to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mosaic.cli.console import guarded
from mosaic.cli.options import CATALOG


@guarded
def lock(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH...", help="Plans and folders of plans; none: those that the lock holds."
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The lock; plans lie beside or below it.")
    ] = Path("mosaic.lock"),
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Lock with another value of a parameter."),
    ] = None,
    locked: Annotated[
        bool, typer.Option("--locked", help="Write nothing; fail if the lock would change.")
    ] = False,
    outputs: Annotated[
        bool, typer.Option("--outputs", help="Run the plans, and record the digests of what they emit.")
    ] = False,
    catalog: Annotated[Path | None, CATALOG] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print what was locked as JSON.")] = False,
) -> None:
    """Resolve plans and pin them: experts by digest, finds, operators, versions. Writes mosaic.lock."""
    from mosaic.cli.locking import Request, run_lock

    run_lock(
        Request(tuple(paths or ()), output, tuple(settings or ()), locked, outputs, catalog, json_output)
    )
