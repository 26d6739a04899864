"""The project that a command compiles in, held to a lock as its options ask."""

from __future__ import annotations

from pathlib import Path

from mosaic.lock.projects import LockedProject, Mode


def open_project(catalog: Path | None, *, locked: bool, frozen: bool) -> LockedProject:
    """A project by `--catalog`, `--locked` and `--frozen`."""
    if locked and frozen:
        import typer

        raise typer.BadParameter(
            "--locked asks whether the lock is up to date, --frozen not to ask: one of them"
        )
    return LockedProject(catalog, Mode.LOCKED if locked else Mode.FROZEN if frozen else Mode.BESIDE)
