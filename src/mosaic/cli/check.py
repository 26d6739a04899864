"""`mosaic check`: every mistake of every plan, at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mosaic.cli.checking import Format, check_paths
from mosaic.cli.options import BATCH, CATALOG, DEVICE, FROZEN, LOCKED, OFFLOAD


def check(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Plans, folders of plans, or - for standard input.")
    ],
    format: Annotated[Format, typer.Option("--format", help="How diagnostics are printed.")] = Format.TEXT,
    catalog: Annotated[Path | None, CATALOG] = None,
    device: Annotated[str | None, DEVICE] = None,
    locked: Annotated[bool, LOCKED] = False,
    frozen: Annotated[bool, FROZEN] = False,
    offload: Annotated[bool, OFFLOAD] = False,
    batch: Annotated[int | None, BATCH] = None,
) -> None:
    """Report every mistake of plans: 0 none, 1 errors found, 2 something could not be read."""
    check_paths(paths, format, catalog, locked, frozen, device, offload, batch)
