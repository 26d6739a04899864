"""A drawing in Graphviz's DOT language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mosaic.compiler.budgeting import duration
from mosaic.compiler.diagrams.model import Box, Color, Drawing, Origin, cut
from mosaic.compiler.diagrams.palette import LIGHT

_LETTERS: Final = 36


def render(drawing: Drawing) -> str:
    """The text, with a cluster for each plan and one for the legend."""
    return "\n".join(_lines(drawing)) + "\n"


def _lines(drawing: Drawing) -> Iterator[str]:
    yield "digraph mosaic {"
    yield '  graph [rankdir=TB, fontname="sans-serif", bgcolor="white"];'
    yield '  node [shape=box, style="filled,rounded", fontname="sans-serif", fontsize=11];'
    yield '  edge [color="#59646f", arrowsize=0.7];'
    for number, group in enumerate(drawing.groups):
        yield f"  subgraph cluster_{number} {{"
        yield f"    label={quoted(group.title)};"
        for box in group.boxes:
            yield f"    {box.id} [{_box(drawing, box)}];"
        for arrow in group.arrows:
            wide = 2.2 if arrow.kind in ("latent", "image") else 0.8
            yield f"    {arrow.start} -> {arrow.end} [penwidth={wide}, tooltip={quoted(arrow.kind)}];"
        yield "  }"
    told = "share of predicted seconds" if drawing.color is Color.COST else "where results come from"
    note = f"\n{drawing.note}" if drawing.note else ""
    yield "  subgraph cluster_legend {"
    yield f"    label={quoted(told + note)};"
    for shade in drawing.legend:
        yield f"    legend_{shade.name} [label={quoted(shade.meaning)}, {_paint(shade.name)}];"
    yield "  }"
    yield "}"


def _box(drawing: Drawing, box: Box) -> str:
    label = f"{box.title}\n{cut(box.detail, _LETTERS)}{_mark(drawing.color, box)}"
    whole = f"{box.title}: {box.detail}"
    small = ", fontsize=9" if box.is_small else ""
    shape = ", shape=oval" if box.kind == "expert" else ""
    return f"label={quoted(label)}, tooltip={tooltip(whole)}, {_paint(drawing.shade(box))}{small}{shape}"


def _mark(color: Color, box: Box) -> str:
    if box.kind == "expert":
        return ""
    if color is Color.COST and box.seconds is not None and box.seconds >= 0.0005:
        return f"\n{duration(box.seconds)}"
    if color is Color.SOURCE and box.origin is not Origin.COMPUTED:
        return f"\n{box.origin}"
    return ""


def _paint(name: str) -> str:
    paint = LIGHT[name]
    return f'fillcolor="{paint.fill}", color="{paint.line}", fontcolor="{paint.text}"'


def quoted(text: str) -> str:
    """A DOT string. Graphviz reads escapes and HTML's entities in it.

    >>> print(quoted('a "b" & c'))
    "a &#34;b&#34; &amp; c"
    """
    safe = text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', "&#34;").replace("\n", "\\n")
    return f'"{safe}"'


def tooltip(text: str) -> str:
    """The same for a tooltip, of which Graphviz reads the escapes twice."""
    return quoted(text).replace("\\\\", "\\\\\\\\")
