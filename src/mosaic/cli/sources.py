"""The files that a command was asked to read."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mosaic.cli.console import UnreadableError
from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.source import SourceFile
from mosaic.project import read

STDIN = "-"


@dataclass(frozen=True)
class Gathered:
    """What could be read, and what is to be said about the rest."""

    files: tuple[SourceFile, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def unreadable(self) -> bool:
        """Whether anything could not be read."""
        return bool(self.diagnostics)


def gather(paths: Iterable[str]) -> Gathered:
    """Read files, all plans of folders (sorted, hidden ones left out) and standard input, each once."""
    files: dict[SourceFile, None] = {}
    diagnostics: list[Diagnostic] = []
    for path in paths:
        names = _plans(path)
        if not names:
            from mosaic.compiler.errors.face import NoPlansInFolder

            diagnostics.append(NoPlansInFolder(None, path))
        for name in names:
            try:
                files.setdefault(read_one(name))
            except UnreadableError as error:
                diagnostics.extend(error.diagnostics)
    return Gathered(tuple(files), tuple(diagnostics))


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


def _plans(path: str) -> tuple[str, ...]:
    folder = Path(path)
    if path == STDIN or not folder.is_dir():
        return (path,)
    found = sorted(folder.rglob("*.mosaic"))
    return tuple(str(file) for file in found if not _hidden(file.relative_to(folder)))


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
