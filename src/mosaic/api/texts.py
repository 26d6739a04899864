"""What a plan may be given as: a text, a path, or a source that was read before."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from mosaic.api.faults import UsageError
from mosaic.compiler.source import SourceFile

Text = str | os.PathLike[str] | SourceFile
"""A plan. A `str` with a line break, or one that begins with `mosaic `, is the text itself; any other `str` is a path,
and so is a `Path`."""

NAMELESS: Final = "<text>"
"""What a text without a file is called in messages."""


def source_of(given: Text, name: str = NAMELESS) -> SourceFile | str:
    """A text as a source with this name, or the path that is meant.

    Raises UsageError for a text that is also the name of a file: `Path(…)` or `SourceFile(…)` says which is meant.
    """
    if isinstance(given, SourceFile):
        return given
    if not isinstance(given, str):
        return os.fspath(given)
    has_lines = "\n" in given or "\r" in given
    if not has_lines and not given.startswith("mosaic "):
        return given
    if not has_lines and Path(given).exists():
        raise UsageError(f"{given!r} is a plan's beginning and the name of a file; Path(…) means the file")
    return SourceFile(name, given.replace("\r\n", "\n"))


def sources_of(given: Text | Iterable[Text]) -> Iterator[SourceFile | str]:
    """One plan or several, in their order; texts without a name are numbered from the second on."""
    several = [given] if isinstance(given, (str, os.PathLike, SourceFile)) else list(given)
    count = 0
    for each in several:
        found = source_of(each, NAMELESS if count == 0 else f"<text {count + 1}>")
        count += isinstance(each, str) and isinstance(found, SourceFile)
        yield found


def read_source(given: Text) -> SourceFile:
    """One plan, read. Raises UnreadableError (M801, M807, M1xx) and UsageError."""
    from mosaic.api.sources import read_one

    found = source_of(given)
    return found if isinstance(found, SourceFile) else read_one(found)
