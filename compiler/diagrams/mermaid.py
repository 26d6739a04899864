"""A drawing as a Mermaid flowchart: what forges show from a ```` ```mermaid ```` block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mosaic.compiler.budgeting import duration
from mosaic.compiler.diagrams.model import Box, Color, Drawing, Origin, cut
from mosaic.compiler.diagrams.palette import LIGHT

_LETTERS: Final = 40
_PLAIN: Final = frozenset(" .,:_/+*%=-")


def render(drawing: Drawing) -> str:
    """The text, with its legend as a group of its own."""
    return "\n".join(_lines(drawing)) + "\n"


def _lines(drawing: Drawing) -> Iterator[str]:
    yield "flowchart TD"
    for number, group in enumerate(drawing.groups):
        yield f"  subgraph g{number}[{quoted(group.title)}]"
        for box in group.boxes:
            left, right = ("([", "])") if box.kind == "expert" else ("[", "]")
            yield f"    {box.id}{left}{_label(drawing.color, box)}{right}:::{drawing.shade(box)}"
        for arrow in group.arrows:
            line = "==>" if arrow.kind in ("latent", "image") else "-->"
            yield f"    {arrow.start} {line} {arrow.end}"
        yield "  end"
    note = f" ({drawing.note})" if drawing.note else ""
    told = "share of predicted seconds" if drawing.color is Color.COST else "where results come from"
    yield f"  subgraph legend[{quoted(told + note)}]"
    for shade in drawing.legend:
        yield f"    legend_{shade.name}[{quoted(shade.meaning)}]:::{shade.name}"
    yield "  end"
    for shade in drawing.legend:
        paint = LIGHT[shade.name]
        yield f"  classDef {shade.name} fill:{paint.fill},stroke:{paint.line},color:{paint.text}"


def _label(color: Color, box: Box) -> str:
    lines = [box.title, cut(box.detail, _LETTERS)]
    if box.kind != "expert":
        if color is Color.COST and box.seconds is not None and box.seconds >= 0.0005:
            lines.append(duration(box.seconds))
        elif color is Color.SOURCE and box.origin is not Origin.COMPUTED:
            lines.append(str(box.origin))
    return '"' + "<br/>".join(escaped(line) for line in lines) + '"'


def quoted(text: str) -> str:
    """A text in quotes.

    >>> quoted('a "b" ]')
    '"a #34;b#34; #93;"'
    """
    return f'"{escaped(text)}"'


def escaped(text: str) -> str:
    """Everything but letters, digits and plain signs as Mermaid's character codes: nothing can end a label, be markup,
    a link or a directive."""
    return "".join(letter if letter.isalnum() or letter in _PLAIN else f"#{ord(letter)};" for letter in text)
