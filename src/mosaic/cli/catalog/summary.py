"""What `mosaic catalog add` tells: a bar while it reads, afterwards what became of the experts."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import typer

from mosaic.cli import console
from mosaic.cli.catalog.texts import counted, plain, table

if TYPE_CHECKING:
    from mosaic.api.catalog.adding import Added
    from mosaic.catalog.store import Store
    from mosaic.compiler.diagnostic import Diagnostic

_SHOWN: Final = 25
"""Messages and experts that are shown one by one; of more, the rest are counted."""


@contextmanager
def bar(total: int, label: str = "read experts") -> Iterator[Callable[[int], None]]:
    """A bar on standard error where that is a terminal, else nothing; call it with how many are done."""
    if not sys.stderr.isatty() or total == 0:
        yield lambda done: None
        return
    from mosaic.cli.progress import Bars

    bars = Bars()
    bars.stage(label, total)
    try:
        yield bars.advance
    finally:
        bars.finish()


def document(store: Store, outcome: Added) -> dict[str, Any]:
    """The JSON shape that docs/json.md describes."""
    from mosaic.compiler.reporting.document import render_json

    return {
        "version": console.JSON_VERSION,
        "catalog": store.place,
        "digest": store.digest,
        "added": outcome.added,
        "updated": outcome.updated,
        "unchanged": outcome.unchanged,
        "shipped": outcome.shipped,
        "refused": [
            {"path": str(refusal.path), "diagnostics": render_json(refusal.diagnostics)}
            for refusal in outcome.refused
        ],
        "warnings": render_json(outcome.warnings),
    }


def show(store: Store, outcome: Added) -> None:
    """The same for people: messages on standard error, experts and counts on standard output."""
    refused = [diagnostic for refusal in outcome.refused for diagnostic in refusal.diagnostics]
    _messages(outcome.warnings, "warnings")
    _messages(refused, "refusals")
    lines = list(_experts(store, [*outcome.added, *outcome.updated]))
    if lines:
        typer.echo("\n".join([*lines, ""]))
    counts = [
        f"{len(outcome.added):,} added",
        f"{len(outcome.updated):,} updated",
        f"{outcome.unchanged:,} unchanged",
        f"{len(outcome.refused):,} refused",
    ]
    if outcome.warnings:
        counts.append(counted(len(outcome.warnings), "warning"))
    typer.echo(", ".join(counts))
    if outcome.shipped:
        typer.echo(f"{counted(outcome.shipped, 'expert')} that come with mosaic taken in")
    typer.echo(f"catalog {store.place} @ {store.digest[:12]}")


def _messages(found: Sequence[Diagnostic], what: str) -> None:
    console.show(found[:_SHOWN], to_stderr=True)
    if len(found) > _SHOWN:
        codes = Counter(diagnostic.code for diagnostic in found[_SHOWN:])
        left = ", ".join(f"{number:,} × {code}" for code, number in sorted(codes.items()))
        typer.echo(f"and {len(found) - _SHOWN:,} more {what}: {left} (--json tells them all)\n", err=True)


def _experts(store: Store, ids: Sequence[str]) -> Iterator[str]:
    ids = list(dict.fromkeys(ids))
    rows = []
    for id in ids[:_SHOWN]:
        facts = store.facts(id)
        if facts is None:  # another process took it away meanwhile
            continue
        algorithm = facts.adapter.algorithm if facts.adapter and facts.adapter.algorithm != "lora" else ""
        trigger = plain(facts.trigger or "", 40)
        rows.append(
            (
                plain(id, 100),
                f"{facts.kind} ({algorithm})" if algorithm else str(facts.kind),
                facts.family or "family unknown",
                plain(facts.license or "licence unknown", 40),
                f'"{trigger}"' if trigger else "",
            )
        )
    if rows:
        yield from table(("id", "kind", "family", "licence", "trigger"), rows)
    if len(ids) > _SHOWN:
        yield f"and {len(ids) - _SHOWN:,} more: mosaic catalog list"
