"""`mosaic catalog list`: the experts there are, a line each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mosaic.cli.catalog.options import CATALOG, FAMILY, JSON, KIND, LICENSE, TRIGGER, KindName
from mosaic.cli.console import guarded
from mosaic.compiler.types import Family

if TYPE_CHECKING:
    from mosaic.catalog.store import Row

HEADER = ("id", "kind", "family", "trigger", "licence", "size", "title")


@guarded
def list_(
    kind: Annotated[KindName | None, KIND] = None,
    family: Annotated[Family | None, FAMILY] = None,
    license: Annotated[str | None, LICENSE] = None,
    trigger: Annotated[str | None, TRIGGER] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many.")] = None,
    offset: Annotated[int, typer.Option("--offset", min=0, help="Leave out the first so many.")] = 0,
    catalog: Annotated[Path | None, CATALOG] = None,
    json_output: Annotated[bool, JSON] = False,
) -> None:
    """List experts by id, all or those of a kind, family, licence or trigger."""
    from mosaic.catalog.licence_text import licence
    from mosaic.cli import console
    from mosaic.cli.catalog.opened import named, reading
    from mosaic.cli.catalog.texts import counted, plain, table
    from mosaic.compiler.types import Kind

    with reading(catalog) as store:
        rows = store.list(
            kind=Kind(kind.value) if kind else None,
            family=family.value if family else None,
            license=licence(license) if license else None,
            trigger=trigger,
            limit=limit,
            offset=offset,
        )
        if json_output:
            experts = [row_document(row) for row in rows]
            console.print_json({"version": console.JSON_VERSION, "catalog": store.place, "experts": experts})
            return
        if rows:
            typer.echo("\n".join(table(HEADER, cells(rows))))
            typer.echo("")
        typer.echo(f"{counted(len(rows), 'expert')} in {plain(named(store), 500)}")


def cells(rows: Iterable[Row]) -> list[tuple[str, ...]]:
    """Rows as a table shows them."""
    from mosaic.cli.catalog.texts import plain, size

    return [
        (
            plain(row.id, 100),
            str(row.kind),
            row.family or "?",
            plain(row.trigger or "", 30),
            plain(row.license or "?", 40),
            size(row.size),
            plain(row.title, 50),
        )
        for row in rows
    ]


def row_document(row: Row) -> dict[str, Any]:
    """A row as docs/json.md describes it."""
    return {
        "id": row.id,
        "kind": str(row.kind),
        "family": row.family,
        "title": row.title,
        "trigger": row.trigger,
        "license": row.license,
        "rating": row.rating,
        "size": row.size,
        "digest": row.digest,
    }
