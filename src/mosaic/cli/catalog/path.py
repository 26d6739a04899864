"""`mosaic catalog path`: where the catalog lies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mosaic.cli.catalog.options import CATALOG, JSON
from mosaic.cli.console import guarded


@guarded
def path(
    catalog: Annotated[Path | None, CATALOG] = None,
    json_output: Annotated[bool, JSON] = False,
) -> None:
    """Print where the catalog lies, or would lie."""
    from mosaic.cli import console
    from mosaic.cli.catalog.opened import place

    found = place(catalog)
    if not json_output:
        typer.echo(str(found))
        return
    document: dict[str, Any] = {
        "version": console.JSON_VERSION,
        "path": str(found),
        "exists": found.exists(),
        "snapshot": found.is_dir(),
    }
    console.print_json(document)
