"""`mosaic catalog verify`: whether the catalog and the files on disk are as they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mosaic.api.reports import Status
from mosaic.cli.catalog.options import CATALOG, JSON
from mosaic.cli.console import guarded

if TYPE_CHECKING:
    from mosaic.catalog.record import FileState
    from mosaic.compiler.diagnostic import Diagnostic
    from mosaic.compiler.facts import ExpertFacts

_AT_ONCE: Final = 500


@guarded
def verify(
    hash: Annotated[
        bool, typer.Option("--hash", help="Read every byte again, instead of sizes and times alone.")
    ] = False,
    catalog: Annotated[Path | None, CATALOG] = None,
    json_output: Annotated[bool, JSON] = False,
) -> None:
    """Look whether files are as they were catalogued: 0 all, 1 something differs, 2 no usable catalog."""
    from mosaic.cli import console
    from mosaic.cli.catalog.opened import reading
    from mosaic.cli.catalog.summary import bar
    from mosaic.cli.catalog.texts import counted
    from mosaic.compiler.reporting.document import render_json

    states: Counter[str] = Counter()
    found: list[Diagnostic] = []
    with reading(catalog) as store:
        found += store.verify()
        rows = store.list()
        with bar(len(rows), "look at files") as advance:
            for start in range(0, len(rows), _AT_ONCE):
                experts = [store.facts(row.id) for row in rows[start : start + _AT_ONCE]]
                known = store.known([file.location for facts in experts if facts for file in facts.files])
                for number, facts in enumerate(experts, start + 1):
                    differs = list(_differences(known, facts, hash)) if facts is not None else []
                    found += differs
                    states[_state(facts, differs)] += 1
                    advance(number)
        place, digest = store.place, store.digest
    if json_output:
        console.print_json(
            {
                "version": console.JSON_VERSION,
                "catalog": place,
                "digest": digest,
                "experts": len(rows),
                "same": states["same"],
                "different": states["different"],
                "away": states["away"],
                "diagnostics": render_json(found),
            }
        )
    else:
        console.show(found, to_stderr=True)
        looked = "every byte read" if hash else "by size, times and inode; --hash reads every byte"
        away = f", {states['away']:,} without files on this machine" if states["away"] else ""
        typer.echo(
            f"{counted(len(rows), 'expert')}: {states['same']:,} as catalogued,"
            f" {states['different']:,} different{away} ({looked})"
        )
        typer.echo(f"catalog {place} @ {digest[:12]}")
    raise SystemExit(int(Status.ERRORS if found else Status.CLEAN))


def _state(facts: ExpertFacts | None, differs: list[Diagnostic]) -> str:
    if differs:
        return "different"
    return "same" if facts is not None and any(file.location for file in facts.files) else "away"


def _differences(known: Mapping[str, FileState], facts: ExpertFacts, hash: bool) -> Iterator[Diagnostic]:
    from mosaic.api.catalog.changes import state
    from mosaic.catalog.index import PACKAGE, locate
    from mosaic.compiler.errors.catalog_face import FileDiffers

    for file in facts.files:
        if not file.location:
            continue
        path = locate(file.location)
        now = state(path)
        if now is None:
            yield FileDiffers(None, facts.id, str(path), "is gone", gone=True)
        elif hash:
            if _sha256(path) != file.sha256:
                yield FileDiffers(None, facts.id, str(path), "holds other bytes than when it was catalogued")
        elif not file.location.startswith(PACKAGE) and known.get(file.location) != now:
            yield FileDiffers(None, facts.id, str(path), "has changed since it was catalogued")
        elif now.size != file.size:
            yield FileDiffers(None, facts.id, str(path), "has another size than when it was catalogued")


def _sha256(path: Path) -> str:
    """Of the bytes that are there now; empty where they cannot be read."""
    import hashlib

    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""
