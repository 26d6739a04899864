"""`mosaic catalog search`: experts that answer some words, the best first."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mosaic.cli.catalog.options import CATALOG, FAMILY, JSON, KIND, LICENSE, TRIGGER, KindName
from mosaic.cli.console import guarded
from mosaic.compiler.types import Family


@guarded
def search(
    words: Annotated[list[str], typer.Argument(metavar="WORDS...", help="What it should be or make.")],
    kind: Annotated[KindName | None, KIND] = None,
    family: Annotated[Family | None, FAMILY] = None,
    license: Annotated[str | None, LICENSE] = None,
    trigger: Annotated[str | None, TRIGGER] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 20,
    catalog: Annotated[Path | None, CATALOG] = None,
    json_output: Annotated[bool, JSON] = False,
) -> None:
    """Search ids, titles, triggers, tags and descriptions; the best answers stand first."""
    from mosaic.catalog.licence_text import licence
    from mosaic.cli import console
    from mosaic.cli.catalog.listing import cells, row_document
    from mosaic.cli.catalog.opened import named, reading
    from mosaic.cli.catalog.texts import counted, plain, table
    from mosaic.compiler.types import Kind

    asked = " ".join(words)
    with reading(catalog) as store:
        hits = store.search(
            asked,
            kind=Kind(kind.value) if kind else None,
            families=(family.value,) if family else (),
            license=licence(license) if license else None,
            trigger=trigger,
            limit=limit,
        )
        if json_output:
            found = [
                {**row_document(hit.row), "score": round(hit.score, 4), "words": list(hit.words)}
                for hit in hits
            ]
            console.print_json(
                {"version": console.JSON_VERSION, "catalog": store.place, "words": asked, "experts": found}
            )
            return
        if not hits:
            typer.echo(f"nothing in {plain(named(store), 500)} answers {plain(asked, 80)!r}")
            return
        rows = [
            (
                f"{hit.score:.2f}",
                id,
                kind_,
                family_,
                trigger_,
                licence_,
                title,
                plain(", ".join(hit.words), 60),
            )
            for hit, (id, kind_, family_, trigger_, licence_, _, title) in zip(
                hits, cells(hit.row for hit in hits), strict=True
            )
        ]
        header = ("score", "id", "kind", "family", "trigger", "licence", "title", "answers to")
        typer.echo("\n".join(table(header, rows, shrink=-2)))
        typer.echo(
            f"\n{counted(len(hits), 'expert')}; read about one: mosaic catalog show {plain(hits[0].row.id)}"
        )
