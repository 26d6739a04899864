"""The work of `mosaic catalog add`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from mosaic.api.catalog.adding import Added, Request, add
from mosaic.api.reports import Status
from mosaic.cli import console
from mosaic.cli.catalog import summary
from mosaic.cli.catalog.opened import writing


def run_add(request: Request, catalog: Path | None, *, json_output: bool) -> None:
    """Read what is new, keep it, say what became of it. Ends the command with 1 where something was refused."""
    outcome = Added()
    with writing(catalog) as store:
        with _told_of_interrupts(outcome):
            add(store, request, outcome, summary.bar)
        if json_output:
            console.print_json(summary.document(store, outcome))
        else:
            summary.show(store, outcome)
    raise SystemExit(int(Status.ERRORS if outcome.refused else Status.CLEAN))


@contextmanager
def _told_of_interrupts(outcome: Added) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        kept = len(outcome.added) + len(outcome.updated)
        typer.echo(f"{kept:,} experts are catalogued; the same command goes on from here", err=True)
        raise
