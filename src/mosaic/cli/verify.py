"""`mosaic verify`: whether this machine would give the locked picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mosaic.api.reports import Status
from mosaic.cli.console import guarded
from mosaic.cli.options import CATALOG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mosaic.lock.verifying import Verified


@guarded
def verify(
    path: Annotated[
        Path, typer.Argument(metavar="LOCK", help="The lock \\[default: mosaic.lock].", show_default=False)
    ] = Path("mosaic.lock"),
    run: Annotated[
        bool, typer.Option("--run", help="Run the plans too, and compare what they emit with the lock.")
    ] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Fail as well where only rounding may differ.")
    ] = False,
    catalog: Annotated[Path | None, CATALOG] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print what was looked at as JSON.")] = False,
) -> None:
    """Say whether this machine would give the locked picture: 0 it would, 1 it would not, 2 unreadable."""
    from mosaic.api.locking import verify as look
    from mosaic.cli import console
    from mosaic.lock.verifying import Verdict

    found = look(path, run=run, catalog=catalog)
    if json_output:
        console.print_json(_document(path, found))
    else:
        typer.echo("\n".join(_lines(found)))
    good = (Verdict.SAME,) if exact else (Verdict.SAME, Verdict.ROUNDING)
    raise SystemExit(int(Status.CLEAN if found.verdict in good else Status.ERRORS))


def _lines(found: Verified) -> Iterator[str]:
    rows = [(f.what, f.name, str(f.state), f.detail) for f in found.findings]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[3]]).rstrip()
    yield ""
    yield str(found.verdict)


def _document(path: Path, found: Verified) -> dict[str, Any]:
    """The JSON shape that docs/json.md describes."""
    from mosaic.cli.console import JSON_VERSION

    return {
        "version": JSON_VERSION,
        "lock": path.as_posix(),
        "verdict": str(found.verdict),
        "findings": [
            {"what": f.what, "name": f.name, "state": str(f.state), "detail": f.detail}
            for f in found.findings
        ],
    }
