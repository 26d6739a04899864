"""`mosaic catalog export` and `import`: snapshots, to be committed beside plans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mosaic.cli.catalog.options import CATALOG, JSON
from mosaic.cli.console import guarded


@guarded
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or an earlier snapshot.")],
    catalog: Annotated[Path | None, CATALOG] = None,
    json_output: Annotated[bool, JSON] = False,
) -> None:
    """Write a snapshot: small, the same bytes for the same experts, enough to check plans without models."""
    from mosaic.cli import console
    from mosaic.cli.catalog.opened import reading
    from mosaic.cli.catalog.texts import counted, plain, size

    with reading(catalog) as store:
        written = store.export(folder)
        place = store.place
    if json_output:
        console.print_json(
            {
                "version": console.JSON_VERSION,
                "catalog": place,
                "folder": written.folder,
                "digest": written.digest,
                "experts": written.experts,
                "size": written.size,
                "files": list(written.files),
            }
        )
        return
    where = plain(str(folder), 500)
    typer.echo(f"{counted(written.experts, 'expert')} in {where} ({size(written.size)})")
    typer.echo(f"catalog digest {written.digest}")
    typer.echo(f"check plans against it: mosaic check --catalog {where} PLAN")


@guarded
def import_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A snapshot that `export` wrote.")],
    catalog: Annotated[Path | None, CATALOG] = None,
    json_output: Annotated[bool, JSON] = False,
) -> None:
    """Take the experts of a snapshot into the catalog. Their files need not be on this machine."""
    from mosaic.api.sources import readable
    from mosaic.cli import console
    from mosaic.cli.catalog.opened import writing
    from mosaic.cli.catalog.texts import counted

    with writing(catalog) as store:
        with readable():
            put = store.import_(folder)
        place, digest = store.place, store.digest
    if json_output:
        from mosaic.compiler.reporting.document import render_json

        console.print_json(
            {
                "version": console.JSON_VERSION,
                "catalog": place,
                "folder": str(folder),
                "added": list(put.added),
                "updated": list(put.updated),
                "unchanged": len(put.unchanged),
                "warnings": render_json(put.warnings),
                "digest": digest,
            }
        )
        return
    console.show(put.warnings, to_stderr=True)
    counts = f"{len(put.added):,} added, {len(put.updated):,} updated, {len(put.unchanged):,} unchanged"
    typer.echo(f"{counted(len(put.added) + len(put.updated) + len(put.unchanged), 'expert')}: {counts}")
    typer.echo(f"catalog {place} @ {digest[:12]}")
