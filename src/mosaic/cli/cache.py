"""`mosaic cache`: what is kept from one run to the next."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.console import guarded
from mosaic.cli.options import CACHE

if TYPE_CHECKING:
    from mosaic.runtime.cache.disk import Disk

app = typer.Typer(
    name="cache",
    help="Results kept from one run to the next: how much, are they whole, make room.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_JSON = typer.Option("--json", help="Print the same as JSON.")


@app.command("stats")
@guarded
def stats(cache: Annotated[Path | None, CACHE] = None, json_output: Annotated[bool, _JSON] = False) -> None:
    """Say where the cache is, how many results it keeps and how large they are."""
    disk = _open(cache)
    found = list(disk.entries())
    used = sum(entry.size for entry in found)
    _print(
        f"{disk.folder}: {_results(len(found))}, {_size(used)} of at most {_size(disk.limit)}",
        {"folder": str(disk.folder), "entries": len(found), "bytes": used, "limit": disk.limit},
        json_output,
    )


@app.command("prune")
@guarded
def prune(
    to: Annotated[
        str,
        typer.Option("--to", metavar="SIZE", help="How much to keep, such as 500MiB \\[default: the limit]."),
    ] = "",
    cache: Annotated[Path | None, CACHE] = None,
    json_output: Annotated[bool, _JSON] = False,
) -> None:
    """Delete the results that were used longest ago, and what interrupted runs left half-written."""
    from mosaic.caches import read_size

    disk = _open(cache)
    _delete(disk, read_size(to) if to else disk.limit, json_output)


@app.command("clear")
@guarded
def clear(cache: Annotated[Path | None, CACHE] = None, json_output: Annotated[bool, _JSON] = False) -> None:
    """Delete every result."""
    _delete(_open(cache), 0, json_output)


@app.command("verify")
@guarded
def verify(cache: Annotated[Path | None, CACHE] = None, json_output: Annotated[bool, _JSON] = False) -> None:
    """Read every result, and delete those that are damaged. A run does so itself with what it reads."""
    disk = _open(cache)
    found = list(disk.entries())
    damaged = [entry.key for entry in found if not disk.is_whole(entry)]
    for key in damaged:
        disk.remove(key)
    _print(
        f"{disk.folder}: {_results(len(found))} read, {len(damaged)} damaged"
        + (" and deleted" if damaged else ""),
        {"folder": str(disk.folder), "entries": len(found), "damaged": damaged},
        json_output,
    )


def _open(cache: Path | None) -> Disk:
    """The cache of a command. Raises MosaicError (M890) where its folder cannot be read."""
    from mosaic.caches import open_cache
    from mosaic.compiler.diagnostic import MosaicError
    from mosaic.compiler.errors.face import CacheUnreadable

    disk = open_cache(cache)
    try:
        if disk.folder.exists():
            os.listdir(disk.folder)  # so that one that is no folder, or not ours, is told
        next(disk.entries(), None)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise MosaicError(CacheUnreadable(None, str(disk.folder), reason)) from None
    return disk


def _delete(disk: Disk, limit: int, as_json: bool) -> None:
    from mosaic.compiler.diagnostic import MosaicError
    from mosaic.compiler.errors.face import CacheUnreadable

    try:
        gone = disk.prune(limit)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise MosaicError(CacheUnreadable(None, str(disk.folder), reason)) from None
    freed = sum(entry.size for entry in gone)
    _print(
        f"{disk.folder}: {_results(len(gone))} deleted, {_size(freed)}",
        {"folder": str(disk.folder), "deleted": len(gone), "bytes": freed},
        as_json,
    )


def _print(line: str, document: dict[str, object], as_json: bool) -> None:
    from mosaic.cli.console import JSON_VERSION, print_json

    if as_json:
        print_json({"version": JSON_VERSION, **document})
    else:
        typer.echo(line)


def _results(count: int) -> str:
    return f"{count} result{'' if count == 1 else 's'}"


def _size(count: int) -> str:
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.3g} {unit}"
        amount /= 1024
    return f"{amount:.3g} GiB"
