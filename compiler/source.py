"""Where text comes from: a source file, and a span inside one."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True)
class SourceFile:
    """A text and the name it is shown under.

    `name` is the path as a person wrote it (or `<stdin>`), never made absolute, so that a message is the
    same on every machine. Offsets count Unicode code points.

    >>> mosaic.check(mosaic.SourceFile("cat.mosaic", "mosaic 1")).files
    ('cat.mosaic',)
    """

    name: str
    text: str = field(repr=False)

    @cached_property
    def line_starts(self) -> tuple[int, ...]:
        """The offset of the first character of each line."""
        starts = [0]
        starts.extend(i + 1 for i, char in enumerate(self.text) if char == "\n")
        return tuple(starts)

    def position(self, offset: int) -> tuple[int, int]:
        """The 1-based line and column of an offset."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a 1-based line, without its line end."""
        start = self.line_starts[number - 1]
        end = self.line_starts[number] - 1 if number < len(self.line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r")

    def span(self, start: int, end: int) -> Span:
        """A span of this file."""
        return Span(self, start, end)

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass(frozen=True)
class Span:
    """A half-open stretch `[start, end)` of a source file, in code points."""

    source: SourceFile
    start: int
    end: int

    @property
    def text(self) -> str:
        """The characters that the span covers."""
        return self.source.text[self.start : self.end]

    def to(self, other: Span) -> Span:
        """The smallest span that covers both."""
        return Span(self.source, min(self.start, other.start), max(self.end, other.end))

    def before(self) -> Span:
        """The empty span in front of this one: where an insertion goes."""
        return Span(self.source, self.start, self.start)

    def after(self) -> Span:
        """The empty span behind this one."""
        return Span(self.source, self.end, self.end)

    @property
    def key(self) -> tuple[str, int, int]:
        """What diagnostics are ordered by."""
        return self.source.name, self.start, self.end
