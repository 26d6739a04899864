"""Diagnostics -> text for people.

error[M302]: latent space mismatch
  ┌ duet.mosaic:9:18
9 │   let b = resume(photo, a, steps: 10)
  │                  ─────  ─ this latent is in space zoo-a
  │                  │
  │                  works in space zoo-b
  = help: carry it over first (bridge zoo/a-to-b, R² 0.97)
  = fix:  resume(photo, align(a, to: photo), steps: 10)
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mosaic.compiler.diagnostic import Diagnostic, Label, Severity
from mosaic.compiler.source import SourceFile, Span

TAB = 4
WIDEST = 160
"""Columns of a source line that are shown; a longer line is cut around its first mark."""


@dataclass(frozen=True)
class Palette:
    """The control sequences around parts of the text; all empty without color."""

    error: str = ""
    warning: str = ""
    frame: str = ""
    note: str = ""
    strong: str = ""
    end: str = ""

    def of(self, severity: Severity) -> str:
        """The style of a severity."""
        return {Severity.ERROR: self.error, Severity.WARNING: self.warning}.get(severity, self.note)

    def paint(self, style: str, text: str) -> str:
        """The text in a style of this palette."""
        return f"{style}{text}{self.end}" if style and text else text


PLAIN = Palette()
COLORED = Palette("\x1b[1;31m", "\x1b[1;33m", "\x1b[34m", "\x1b[36m", "\x1b[1m", "\x1b[0m")


def render_text(diagnostics: Sequence[Diagnostic], *, color: bool = False) -> str:
    """One block of lines a diagnostic, an empty line between two; empty where there is none.

    With `color`, ANSI sequences mark severity and frame. Control characters of the source are never passed on.
    """
    palette = COLORED if color else PLAIN
    return "\n".join("".join(f"{line}\n" for line in _block(d, palette)) for d in diagnostics)


def _block(diagnostic: Diagnostic, palette: Palette) -> Iterator[str]:
    style = palette.of(diagnostic.severity)
    head = palette.paint(style, f"{diagnostic.severity}[{diagnostic.code}]")
    yield f"{head}{palette.paint(palette.strong, f': {visible(diagnostic.message())}')}"
    labels = list(diagnostic.labels())
    if diagnostic.span is not None:
        labels.insert(0, Label(diagnostic.span, diagnostic.primary()))
    groups = _by_file(labels)
    gutter = max((len(str(_line_of(label))) for label in labels if label.span.source.text), default=1)
    for source, marked in groups:
        yield from _snippet(source, marked, gutter, diagnostic.span, style, palette)
    equals = palette.paint(palette.frame, f"{'':{gutter}} =")
    for text in diagnostic.help():
        yield from _note(equals, "help: ", text, palette)
    for fix in diagnostic.fixes():
        yield from _note(equals, "fix:  ", fix.title, palette)


def _note(equals: str, word: str, text: str, palette: Palette) -> Iterator[str]:
    first, *rest = text.split("\n")
    yield f"{equals} {palette.paint(palette.note, word)}{visible(first)}"
    indent = " " * (len("= help: ") + 2)
    for line in rest:
        yield f"{indent}{visible(line)}"


def _by_file(labels: Sequence[Label]) -> list[tuple[SourceFile, list[Label]]]:
    """Labels by file, the primary's file first."""
    groups: dict[str, tuple[SourceFile, list[Label]]] = {}
    for label in labels:
        groups.setdefault(label.span.source.name, (label.span.source, []))[1].append(label)
    return list(groups.values())


def _line_of(label: Label) -> int:
    return label.span.source.position(label.span.start)[0]


def _snippet(
    source: SourceFile, labels: list[Label], gutter: int, primary: Span | None, style: str, palette: Palette
) -> Iterator[str]:
    corner = palette.paint(palette.frame, f"{'':{gutter}} ┌")
    if not source.text:
        yield f"{corner} {visible(source.name)}"
        return
    line, column = source.position(labels[0].span.start)
    yield f"{corner} {visible(source.name)}:{line}:{column}"
    shown = 0
    for number in sorted({_line_of(label) for label in labels}):
        if shown and number > shown + 1:
            yield palette.paint(palette.frame, f"{'':{gutter}} ·")
        shown = number
        here = [label for label in labels if _line_of(label) == number]
        text, marks = _laid_out(source, number, here, primary)
        yield f"{palette.paint(palette.frame, f'{number:>{gutter}} │')} {text}".rstrip()
        bar = palette.paint(palette.frame, f"{'':{gutter}} │")
        for row in _rows(marks):
            yield f"{bar} {_painted(row, style, palette)}"


@dataclass(frozen=True)
class _Mark:
    """A label on a line, in display columns from 0, `end` exclusive."""

    start: int
    end: int
    text: str
    is_primary: bool


_Row = list[tuple[int, str, bool]]
"""Pieces of a row under a line: (display column, text, belongs to the primary span)."""


def _rows(marks: Sequence[_Mark]) -> Iterator[_Row]:
    """The rows under a line: the underlines with the rightmost text, then the other texts from right to left."""
    first: _Row = [(mark.start, "─" * (mark.end - mark.start), mark.is_primary) for mark in marks]
    waiting = [mark for mark in marks if mark.text]
    if waiting and waiting[-1].end >= max(mark.end for mark in marks):
        last = waiting.pop()
        first.append((last.end + 1, last.text, last.is_primary))
    yield first
    while waiting:
        yield [(mark.start, "│", mark.is_primary) for mark in waiting]
        last = waiting.pop()
        stems: _Row = [(mark.start, "│", mark.is_primary) for mark in waiting if mark.start != last.start]
        yield [*stems, (last.start, last.text, last.is_primary)]


def _painted(row: _Row, style: str, palette: Palette) -> str:
    """A row as text. What is drawn later, and the primary, lies on top."""
    cells: list[tuple[str, bool]] = []
    for start, text, is_primary in sorted(row, key=lambda piece: piece[2]):
        cells.extend((" ", False) for _ in range(start + len(text) - len(cells)))
        for k, char in enumerate(text):
            cells[start + k] = (char, is_primary)
    painted = ""
    for char, is_primary in cells:
        painted += char if char == " " else palette.paint(style if is_primary else palette.frame, char)
    return painted.rstrip()


def _laid_out(
    source: SourceFile, number: int, labels: Sequence[Label], primary: Span | None
) -> tuple[str, list[_Mark]]:
    """A line as it is shown, and the labels on it by display column."""
    line, start = source.line(number), source.line_starts[number - 1]
    first = min(label.span.start for label in labels) - start
    low, high = _window(line, first)
    columns, text = [0], ""
    for char in line[low:high]:
        shown = " " * (TAB - columns[-1] % TAB) if char == "\t" else visible(char)
        text += shown
        columns.append(columns[-1] + _width(shown))
    lead = "…" if low else ""
    marks = []
    for label in labels:
        begin = min(max(label.span.start - start - low, 0), len(columns) - 1)
        end = min(max(label.span.end - start - low, begin), len(columns) - 1)
        left, right = columns[begin] + len(lead), columns[end] + len(lead)
        text_of = visible(label.text)
        marks.append(_Mark(left, max(right, left + 1), text_of, label.span == primary))
    marks.sort(key=lambda mark: (mark.start, mark.end))
    return f"{lead}{text}{'…' if high < len(line) else ''}", marks


def _window(line: str, first: int) -> tuple[int, int]:
    if len(line) <= WIDEST:
        return 0, len(line)
    low = max(0, min(first - WIDEST // 4, len(line) - WIDEST))
    return low, low + WIDEST


def visible(text: str) -> str:
    """The text with every character replaced that would steer a terminal instead of being seen."""
    return "".join(char if char == " " or _is_visible(char) else "\N{REPLACEMENT CHARACTER}" for char in text)


def _is_visible(char: str) -> bool:
    # Cc and Cf hold control and text-direction characters, Zl and Zp line ends, Cs what cannot be encoded.
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _width(text: str) -> int:
    """Terminal columns: none for combining marks, two for wide East Asian characters."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
