"""The syntax tree: frozen nodes, each with the span of text it came from.

Spans take no part in equality, so that two texts of the same meaning have equal trees: this is what the
formatter's property test compares.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.types import Kind

Value = str | int | float | bool | tuple[int, int]
"""A literal's value: fractions as 0..1, durations in seconds, memory in bytes, sizes as (width, height) pixels."""


@dataclass(frozen=True)
class Name:
    """An identifier where one is declared or where it names an argument, a setting or a key.

    `text` is empty where the name is missing; that is already reported.
    """

    text: str
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Reference:
    """A use of a name: `neon`, `house.glow`."""

    parts: tuple[str, ...]
    span: Span = field(compare=False, repr=False)

    @property
    def text(self) -> str:
        """The name as written."""
        return ".".join(self.parts)


@dataclass(frozen=True)
class Literal:
    """A number with its unit, a size, `true` or `false`. `text` is its canonical spelling."""

    kind: Kind
    value: Value
    text: str
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Insert:
    """`{name}` inside a text."""

    reference: Reference
    span: Span = field(compare=False, repr=False)  # with the braces


@dataclass(frozen=True)
class Text:
    """A quoted text: stretches of characters (escapes resolved) and inserted names."""

    parts: tuple[str | Insert, ...]
    span: Span = field(compare=False, repr=False)

    @property
    def plain(self) -> str | None:
        """The text where nothing is inserted, else None."""
        if any(isinstance(part, Insert) for part in self.parts):
            return None
        return "".join(part for part in self.parts if isinstance(part, str))


@dataclass(frozen=True)
class List:
    """`[a, b]`."""

    items: tuple[Expression, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Range:
    """`12..30`."""

    low: Expression
    high: Expression
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Argument:
    """A positional (`name` is None) or named argument of a call."""

    name: Name | None
    value: Expression
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Call:
    """`function(positional, key: value)`."""

    function: Reference
    arguments: tuple[Argument, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Strength:
    """`neon * 0.8`."""

    expert: Expression
    strength: Expression
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Region:
    """`neon in left`."""

    expert: Expression
    region: Expression
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Window:
    """`neon during 0%..50%`."""

    expert: Expression
    start: Expression
    end: Expression
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Hole:
    """An expression that could not be read; already reported. It fits every type, so that nothing cascades."""

    span: Span = field(compare=False, repr=False)


Expression = Reference | Literal | Text | List | Range | Call | Strength | Region | Window | Hole


@dataclass(frozen=True)
class Let:
    """`let name = value`."""

    name: Name
    value: Expression
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Emit:
    """`emit value as "path"`."""

    value: Expression
    path: Text
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Return:
    """`return value`."""

    value: Expression
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Entry:
    """`key: value` in a budget or policy."""

    key: Name
    value: Expression
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Budget:
    """`budget { latency: 2s }`."""

    entries: tuple[Entry, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Policy:
    """`policy { use: commercial }`."""

    entries: tuple[Entry, ...]
    span: Span = field(compare=False, repr=False)


Statement = Let | Emit | Return | Budget | Policy


@dataclass(frozen=True)
class Use:
    """`use std.looks` (parts) or `use "./house.mosaic" as house` (path)."""

    module: Reference | Text
    alias: Name | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Parameter:
    """`who: text = "by the river"`, of a file (`param`) or of a fragment."""

    name: Name
    type: Name
    default: Expression | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Define:
    """`define name(parameters) -> result { ... return value }`."""

    name: Name
    parameters: tuple[Parameter, ...]
    result: Name
    body: tuple[Statement, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Plan:
    """`plan name { ... }`."""

    name: Name
    body: tuple[Statement, ...]
    span: Span = field(compare=False, repr=False)


Item = Use | Parameter | Define | Plan | Budget | Policy


@dataclass(frozen=True)
class Comment:
    """`# text` up to the line end. `own_line` says that nothing but white space stands before it."""

    text: str
    own_line: bool
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class File:
    """A whole file. `edition` is None where the header is missing (already reported)."""

    source: SourceFile = field(compare=False, repr=False)
    edition: int | None
    items: tuple[Item, ...]
    comments: tuple[Comment, ...] = field(compare=False, default=())
    header: Span | None = field(compare=False, repr=False, default=None)
