"""What is drawn: boxes, arrows, one group for each plan, and what the colours mean."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SMALL: Final = ("expert", "load_model", "encode_text", "load_image")
"""Kinds of boxes that are drawn smaller: what work is done with, not the work."""
_TURNING: Final = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks that turn the direction of writing: text with them could look like another one."""


class Color(StrEnum):
    """What the colour of a box says."""

    COST = "cost"
    SOURCE = "source"


class Origin(StrEnum):
    """Where the result of a box would come from in a run."""

    COMPUTED = "computed"
    SHARED = "shared"
    CACHED = "cached"
    UNUSED = "unused"


@dataclass(frozen=True)
class Box:
    """An instruction or an expert. `title` and `detail` are whole here; who draws cuts them.

    `kind` is the operation, or `expert`. `seconds` are those of work and loading, None where nobody predicted them;
    `share` is their part of what the whole drawing takes.
    """

    id: str
    kind: str
    title: str
    detail: str
    seconds: float | None = None
    share: float = 0.0
    origin: Origin = Origin.COMPUTED

    @property
    def is_small(self) -> bool:
        """Whether it is drawn smaller."""
        return self.kind in SMALL


@dataclass(frozen=True)
class Arrow:
    """A value on its way: from the box that makes it to one that takes it. `kind` is its type, or `expert`."""

    start: str
    end: str
    kind: str


@dataclass(frozen=True)
class Group:
    """One plan: its boxes in the order in which they run, and the arrows between them."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


@dataclass(frozen=True)
class Shade:
    """One entry of the legend: the name of a colour, and what it means."""

    name: str
    meaning: str


@dataclass(frozen=True)
class Drawing:
    """Plans with what their colours mean. `note` says what the colours cannot tell, and why."""

    groups: tuple[Group, ...]
    color: Color
    note: str = ""

    def shade(self, box: Box) -> str:
        """The name of a box's colour."""
        if box.kind == "expert":
            return "expert"
        if self.color is Color.SOURCE:
            return _ORIGINS[box.origin].name
        if box.seconds is None:
            return "unknown"
        return next(name for name, bound, _ in _STEPS if box.share >= bound)

    @property
    def legend(self) -> tuple[Shade, ...]:
        """What each colour means, of those that can be in such a drawing."""
        if self.color is Color.SOURCE:
            used = {box.origin for group in self.groups for box in group.boxes if box.kind != "expert"}
            shades = [
                shade for origin, shade in _ORIGINS.items() if origin in used or origin is not Origin.UNUSED
            ]
        elif any(box.seconds is not None for group in self.groups for box in group.boxes):
            shades = [Shade(name, meaning) for name, _, meaning in _STEPS]
        else:
            shades = [Shade("unknown", "cost not known")]
        return (*shades, Shade("expert", "an expert"))


_STEPS: Final = (
    ("cost4", 0.5, "half of the time or more"),
    ("cost3", 0.2, "20% to 50%"),
    ("cost2", 0.05, "5% to 20%"),
    ("cost1", 0.01, "1% to 5%"),
    ("cost0", 0.0, "less than 1%"),
)
_ORIGINS: Final = {
    Origin.COMPUTED: Shade("computed", "computed"),
    Origin.SHARED: Shade("shared", "shared: made once, for several files"),
    Origin.CACHED: Shade("cached", "read from the cache"),
    Origin.UNUSED: Shade("unused", "unused: what it is for is at hand"),
}


def clean(text: str) -> str:
    """A text on one line, without what no drawing may hold: control characters and marks that turn its direction.

    >>> clean("a\\tred\\n cat\\x00")
    'a red cat'
    """
    kept = (
        " " if letter.isspace() else letter
        for letter in text
        if letter.isspace() or not (_is_forbidden(letter) or letter in _TURNING)
    )
    return " ".join("".join(kept).split())


def _is_forbidden(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs") or ord(letter) & 0xFFFE == 0xFFFE


def cut(text: str, letters: int) -> str:
    """At most so many letters; what is cut ends with an ellipsis.

    >>> cut("a red cat in the meadow", 10)
    'a red cat…'
    """
    return text if len(text) <= letters else f"{text[: letters - 1].rstrip()}…"
