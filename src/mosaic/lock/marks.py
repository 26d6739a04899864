"""On which line of a TOML text an entry stands, so that a message can point at it.

`tomllib` gives values without places. The text is generated, one key a line, so that reading its lines again is
enough; in a text that somebody reshaped, a mark may be missing or point at a neighbour, never more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from mosaic.compiler.source import SourceFile, Span

Path = tuple[str, ...]

_ITEM: Final = re.compile(r"^\s*\[\[\s*([\w.-]+)\s*\]\]")
_TABLE: Final = re.compile(r"^\s*\[\s*([\w.-]+)\s*\]")
_KEY: Final = re.compile(r'^\s*(?:([\w-]+)|"([^"\\]*)")\s*=')
_PLACE: Final = re.compile(r" ?\(at (?:line (\d+), column (\d+)|end of document)\)$")


def marks(source: SourceFile) -> dict[Path, Span]:
    """Lines by path: ("expert", "0", "digest") is the key of the first `[[expert]]`, ("expert", "0") its head."""
    found: dict[Path, Span] = {}
    counts: dict[Path, int] = {}
    path: Path = ()
    for number in range(1, len(source.line_starts) + 1):
        line = source.line(number)
        start = source.line_starts[number - 1] + len(line) - len(line.lstrip())
        span = source.span(start, source.line_starts[number - 1] + len(line.rstrip()))
        if item := _ITEM.match(line):
            *outer, name = item[1].split(".")
            list_ = (*_numbered(tuple(outer), counts), name)
            counts[list_] = counts.get(list_, 0) + 1
            path = (*list_, str(counts[list_] - 1))
            found[path] = span
        elif table := _TABLE.match(line):
            path = _numbered(tuple(table[1].split(".")), counts)
            found[path] = span
        elif key := _KEY.match(line):
            found.setdefault((*path, key[1] if key[1] is not None else key[2]), span)
    return found


def nearest(found: Mapping[Path, Span], path: Path) -> Span | None:
    """The line of a path, or of the innermost entry around it that has one."""
    while path:
        if path in found:
            return found[path]
        path = path[:-1]
    return None


def fault(source: SourceFile, error: ValueError | RecursionError) -> tuple[Span | None, str]:
    """Where a text is not TOML, and why, by what `tomllib` raised."""
    if isinstance(error, RecursionError):
        return None, "it is nested too deeply"
    reason = str(error)
    place = _PLACE.search(reason)
    span = None
    if place is not None and place[1]:
        # tomllib counts line ends of Windows as one character and the last line as one more.
        line = min(int(place[1]), len(source.line_starts))
        start = source.line_starts[line - 1]
        offset = min(start + int(place[2]) - 1, len(source.text))
        span = source.span(min(start, offset), max(offset, start + len(source.line(line))))
    elif place is not None:
        span = source.span(len(source.text), len(source.text))
    shown = _PLACE.sub("", reason).splitlines()[0]
    return span, shown[:1].lower() + shown[1:]


def _numbered(names: Path, counts: Mapping[Path, int]) -> Path:
    """A table's path with the number of the list's item that it belongs to behind each list."""
    path: Path = ()
    for name in names:
        path = (*path, name)
        if path in counts:
            path = (*path, str(counts[path] - 1))
    return path
