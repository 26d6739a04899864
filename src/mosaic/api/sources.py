"""The files that a command was asked to read."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mosaic.api.faults import UnreadableError
from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.source import SourceFile
from mosaic.project import read
from mosaic.settings import Finder

STDIN = "-"


@dataclass(frozen=True)
class Gathered:
    """What could be read, and what is to be said about the rest; where the settings of each file are found."""

    files: tuple[SourceFile, ...]
    diagnostics: tuple[Diagnostic, ...]
    settings: Finder

    @property
    def unreadable(self) -> bool:
        """Whether anything could not be read."""
        return bool(self.diagnostics)


def gather(given: Iterable[SourceFile | str]) -> Gathered:
    """Read files, all plans of folders (sorted, but hidden ones and what settings exclude) and standard input,
    each once; what was read before is taken as it is. Names are relative to the current folder where they lie
    below it."""
    files: dict[SourceFile, None] = {}
    diagnostics: list[Diagnostic] = []
    settings = Finder()
    for path in given:
        if isinstance(path, SourceFile):
            settings.of(path.name)
            files.setdefault(path)
            continue
        names = _plans(_shown(path), settings)
        if names is None:
            from mosaic.compiler.errors.face import NoPlansInFolder

            diagnostics.append(NoPlansInFolder(None, path))
            continue
        for name in names:
            settings.of(name)
            try:
                files.setdefault(read_one(name))
            except UnreadableError as error:
                diagnostics.extend(error.diagnostics)
    return Gathered(tuple(files), (*settings.mistakes, *diagnostics), settings)


def read_one(path: str) -> SourceFile:
    """Read one file, or standard input (`-`). Raises UnreadableError."""
    with readable():
        return read(sys.stdin.buffer, "<stdin>") if path == STDIN else read(path)


@contextmanager
def readable() -> Iterator[None]:
    """Whatever fails to be read inside ends the command as unreadable input."""
    try:
        yield
    except MosaicError as error:
        raise UnreadableError(*error.diagnostics) from None


def _shown(path: str) -> str:
    """The path as messages show it."""
    if path == STDIN:
        return path
    here = Path.cwd()
    absolute = Path(path).is_absolute() and Path(path).is_relative_to(here)
    return str(Path(path).relative_to(here) if absolute else Path(path))


def _plans(path: str, settings: Finder) -> tuple[str, ...] | None:
    """The file, or the plans of the folder; None where a folder has none."""
    folder = Path(path)
    if path == STDIN or not folder.is_dir():
        return (path,)
    found = [str(file) for file in sorted(folder.rglob("*.mosaic")) if not _hidden(file.relative_to(folder))]
    return tuple(name for name in found if not settings.of(name).excludes(name)) if found else None


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
