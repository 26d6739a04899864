"""The work of `mosaic check`, kept apart from its declaration: see `mosaic.cli.main`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.cli import console
from mosaic.cli.console import guarded
from mosaic.cli.opening import manner, open_project
from mosaic.cli.sources import gather
from mosaic.compiler.diagnostic import Diagnostic, Severity

if TYPE_CHECKING:
    from mosaic.catalog.library import Library


class Format(StrEnum):
    """How diagnostics are printed."""

    TEXT = "text"
    JSON = "json"


@guarded
def check_paths(
    paths: Sequence[str],
    format: Format,
    catalog: Path | None = None,
    locked: bool = False,
    frozen: bool = False,
    device: str | None = None,
    offload: bool = False,
    batch: int | None = None,
) -> None:
    """Check files and folders, print what is wrong and end with the exit code that it asks for."""
    gathered = gather(paths)
    found = list(gathered.diagnostics)
    with open_project(
        catalog, locked=locked, frozen=frozen, device=device, manner=manner(offload, batch), fits=True
    ) as project:
        for source in gathered.files:
            found.extend(project.check(source))
        # Two plans that use one broken library report its mistakes once.
        found = list(dict.fromkeys(found))
        console.show(found, as_json=format is Format.JSON, files=len(gathered.files))
        if format is Format.TEXT:
            print(_summary(found, len(gathered.files), project.catalog))
    console.finish(found, unreadable=gathered.unreadable)


def _summary(found: Sequence[Diagnostic], files: int, catalog: Library | None) -> str:
    read = f"{files} file{'' if files == 1 else 's'} checked"
    counts = [
        f"{number} {severity}{'' if number == 1 else 's'}"
        for severity in Severity
        if (number := sum(d.severity is severity for d in found))
    ]
    # Which catalog was asked decides what is a mistake: a log without it cannot be repeated.
    asked = f" (catalog {catalog.place} @ {catalog.digest[:12]})" if catalog else ""
    return f"{read}: {', '.join(counts) or 'no mistakes'}{asked}"
