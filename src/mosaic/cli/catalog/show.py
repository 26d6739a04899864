"""`mosaic catalog show`: an expert's card."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mosaic.cli.catalog.options import CATALOG, JSON
from mosaic.cli.console import guarded


@guarded
def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="An id, an alias, or the beginning of a digest.")],
    catalog: Annotated[Path | None, CATALOG] = None,
    json_output: Annotated[bool, JSON] = False,
) -> None:
    """Show all that is known of an expert, who says so, what it fits and how it is used."""
    from mosaic.api.catalog.named import record_of
    from mosaic.api.catalog.relations import related
    from mosaic.cli import console
    from mosaic.cli.catalog.card import card
    from mosaic.cli.catalog.opened import reading
    from mosaic.cli.catalog.record_json import document

    with reading(catalog) as store:
        record = record_of(store, id)
        around = related(store, record)
        if json_output:
            console.print_json(document(store, record, around))
        else:
            typer.echo("\n".join(card(record, around, color=console.colored(sys.stdout))))
