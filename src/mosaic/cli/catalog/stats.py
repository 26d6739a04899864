"""`mosaic catalog stats`: what a catalog holds, in numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mosaic.cli.catalog.options import CATALOG, JSON
from mosaic.cli.console import guarded

if TYPE_CHECKING:
    from mosaic.catalog.store import Stats, Store

_SHOWN = 12


@guarded
def stats(
    catalog: Annotated[Path | None, CATALOG] = None,
    json_output: Annotated[bool, JSON] = False,
) -> None:
    """Count what the catalog holds: by kind, family, licence, rating."""
    from mosaic.cli import console
    from mosaic.cli.catalog.opened import reading

    with reading(catalog) as store:
        found = store.stats()
        if json_output:
            console.print_json(_document(store, found))
        else:
            typer.echo("\n".join(_lines(store, found)))


def _document(store: Store, found: Stats) -> dict[str, Any]:
    """The JSON shape that docs/json.md describes."""
    from mosaic.cli import console

    plain = {
        field.name: dict(value) if isinstance(value, tuple) else value
        for field in dataclasses.fields(found)
        for value in (getattr(found, field.name),)
    }
    return {"version": console.JSON_VERSION, "catalog": store.place, **plain}


def _lines(store: Store, found: Stats) -> Iterator[str]:
    from mosaic.cli.catalog.opened import named
    from mosaic.cli.catalog.texts import counted, plain, size

    stored = f", {size(found.stored)}" if found.stored else ""
    yield f"catalog    {plain(named(store), 500)} (schema {found.schema}{stored})"
    yield f"digest     {found.digest}"
    yield f"experts    {found.experts:,}: {counted(found.files, 'file')}, {size(found.size)}"
    yield f"kinds      {_counts(found.kinds)}"
    yield f"families   {_counts(found.families)}"
    yield f"licences   {_counts(found.licenses)}"
    yield f"ratings    {_counts(found.ratings)}"
    yield (
        f"known      {counted(found.signatures, 'set of tensors', 'sets of tensors')},"
        f" {counted(found.coverages, 'coverage')}, {counted(found.edges, 'relation')},"
        f" {counted(found.capabilities, 'measured score')}"
    )


def _counts(counts: tuple[tuple[str, int], ...]) -> str:
    from mosaic.cli.catalog.texts import plain

    shown = [f"{plain(name, 40) or 'unknown'} {number:,}" for name, number in counts[:_SHOWN]]
    if len(counts) > _SHOWN:
        shown.append(f"{len(counts) - _SHOWN} more")
    return ", ".join(shown) or "none"
