"""`mosaic schema`: JSON Schemas of what commands print and write for programs."""

from __future__ import annotations

from typing import Annotated

import typer

from mosaic.cli.console import guarded


@guarded
def schema(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="One of the names that the command lists alone.")
    ] = "",
    strict: Annotated[
        bool, typer.Option("--strict", help="Allow no keys but those of this version, as tests may want.")
    ] = False,
) -> None:
    """Print the JSON Schema (2020-12) of what a command prints with --json; alone, list them all."""
    from mosaic import schemas
    from mosaic.cli import console
    from mosaic.compiler.near import nearest

    if not name:
        typer.echo("\n".join(_lines()))
        return
    if name not in schemas.names():
        near = nearest(name, schemas.names())
        hint = f"; perhaps {near}" if near else ""
        raise typer.BadParameter(f"there is no schema {name!r}{hint}", param_hint="NAME")
    whole = schemas.standalone(name)
    console.print_json(schemas.closed(whole) if strict else whole)


def _lines() -> list[str]:
    from mosaic import schemas

    names = schemas.names()
    width = max(map(len, names))
    return [f"{name:<{width}}  {schemas.read(name)['title'].replace('`', '')}" for name in names]
