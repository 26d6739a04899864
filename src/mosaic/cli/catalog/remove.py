"""`mosaic catalog remove`: forget experts. Their files stay where they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.catalog.options import CATALOG, JSON
from mosaic.cli.console import guarded

if TYPE_CHECKING:
    from mosaic.compiler.diagnostic import Diagnostic


@guarded
def remove(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids or aliases.")],
    catalog: Annotated[Path | None, CATALOG] = None,
    json_output: Annotated[bool, JSON] = False,
) -> None:
    """Take experts out of the catalog: all of those named, or none. Files on disk stay where they are."""
    from mosaic.api.catalog.named import unknown
    from mosaic.catalog.index import PACKAGE
    from mosaic.cli import console
    from mosaic.cli.catalog.opened import writing
    from mosaic.cli.catalog.texts import counted, plain
    from mosaic.compiler.diagnostic import MosaicError
    from mosaic.compiler.errors.catalog_face import ShippedStays

    with writing(catalog) as store:
        wrong: list[Diagnostic] = []
        for id in dict.fromkeys(ids):
            facts = store.facts(id)
            if facts is None:
                wrong.append(unknown(store, id))
            elif any(file.location.startswith(PACKAGE) for file in facts.files):
                wrong.append(ShippedStays(None, facts.id))
        if wrong:
            raise MosaicError(*wrong)
        gone = store.remove(tuple(dict.fromkeys(ids)))
        digest = store.digest
        place = store.place
    if json_output:
        console.print_json(
            {"version": console.JSON_VERSION, "catalog": place, "removed": list(gone), "digest": digest}
        )
        return
    for id in gone:
        typer.echo(f"removed {plain(id)}")
    typer.echo(
        f"{counted(len(gone), 'expert')} removed; their files are untouched (catalog {place} @ {digest[:12]})"
    )
