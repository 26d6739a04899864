"""Strangers' texts as a terminal may show them, and tables of them."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from mosaic.compiler.reporting.text import visible

_PIPED = 100
_NARROWEST, _WIDEST = 60, 110


def plain(text: str, longest: int = 200) -> str:
    """One line without anything that would steer a terminal, at most so many characters."""
    line = visible(" ".join(text[: longest * 4].split()))
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def size(count: float) -> str:
    """A number of bytes in three digits."""
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB" if count < 999.5 else f"{count / 1000:,.3g} TB"


def counted(number: int, what: str, several: str = "") -> str:
    """ "1 expert", "2 experts"."""
    return f"{number:,} {what if number == 1 else several or what + 's'}"


def width() -> int:
    """Columns for running text: those of the terminal within reason, a page's elsewhere."""
    if not sys.stdout.isatty():
        return _PIPED
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns))


def cells(text: str) -> int:
    """Terminal columns: none for combining marks, two for wide East Asian characters."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def fitted(text: str, columns: int) -> str:
    """The text cut to some columns, with a mark where it was cut."""
    if cells(text) <= columns:
        return text
    while text and cells(text) > columns - 1:
        text = text[:-1]
    return f"{text.rstrip()}…"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], shrink: int = -1) -> Iterator[str]:
    """Aligned lines under a header. On a terminal the column `shrink` is cut so that lines fit."""
    content = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(cells(row[column]) for row in content) for column in range(len(header))]
    if sys.stdout.isatty():
        over = sum(widths) + 2 * (len(widths) - 1) - shutil.get_terminal_size().columns
        if over > 0:
            widths[shrink] = max(8, widths[shrink] - over)
    for row in content:
        shown = (fitted(cell, columns) for cell, columns in zip(row, widths, strict=True))
        padded = (cell + " " * (columns - cells(cell)) for cell, columns in zip(shown, widths, strict=True))
        yield "  ".join(padded).rstrip()


def wrapped(text: str, columns: int) -> list[str]:
    """The words of a text in lines of at most so many columns; a longer word stands alone."""
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and cells(longer) > columns:
            lines.append(line)
            line = word
        else:
            line = longer
    return [*lines, line]
