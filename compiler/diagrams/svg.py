"""A drawing as SVG, with a legend and the whole texts as tooltips. Colours follow the reader's light or dark."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import sqrt
from typing import Final
from xml.sax.saxutils import escape

from mosaic.compiler.budgeting import duration
from mosaic.compiler.diagrams.layout import Layout, Route, lay_out
from mosaic.compiler.diagrams.model import Box, Color, Drawing, Group, Origin, cut
from mosaic.compiler.diagrams.palette import DARK, LIGHT, Paint

_LARGE: Final = (184.0, 46.0)
_SMALL: Final = (136.0, 34.0)
_EDGE: Final = 16.0
_SCOPE: Final = "mosaic-graph"
_HEAD: Final = 30.0
_ENTRY: Final = 22.0
_LETTER: Final = 6.3
"""Width of a letter of 11 px, in pixels."""


def render(drawing: Drawing) -> str:
    """The whole picture, as one `svg` element."""
    laid = [(group, *_laid(group)) for group in drawing.groups]
    corners, width, height = _shelves([layout for _, _, layout in laid])
    lines = [
        line
        for (group, boxes, layout), corner in zip(laid, corners, strict=True)
        for line in _group(drawing, group, boxes, layout, corner)
    ]
    legend = list(_legend(drawing, height))
    height += _ENTRY * (len(drawing.legend) + 1 + bool(drawing.note)) + _EDGE
    width = max(width, 2 * _EDGE + 0.92 * _LETTER * max(len(_meaning(drawing)), len(drawing.note), 40))
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    title = escape(", ".join(group.title for group in drawing.groups) or "no plan")
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} class="{_SCOPE}" role="img">'
    # A ground of its own: what shows the picture may be light where the reader's settings say dark.
    ground = '<rect class="ground" width="100%" height="100%"/>'
    return "\n".join([head, f"<title>{title}</title>", _style(), ground, *lines, *legend, "</svg>", ""])


def _laid(group: Group) -> tuple[tuple[Box, ...], Layout]:
    boxes = group.boxes
    at = {box.id: number for number, box in enumerate(boxes)}
    sizes = [_SMALL if box.is_small else _LARGE for box in boxes]
    return boxes, lay_out(sizes, [(at[arrow.start], at[arrow.end]) for arrow in group.arrows])


def _shelves(layouts: Sequence[Layout]) -> tuple[list[tuple[float, float]], float, float]:
    """The upper left corner of each group, in rows of about the width of a screen's shape, and what all take."""
    outer = [(each.width + 2 * _EDGE, each.height + _HEAD + 2 * _EDGE) for each in layouts]
    row = max([sqrt(1.6 * sum(w * h for w, h in outer)), *(w for w, _ in outer)], default=0.0)
    corners, x, y, tallest, width = list[tuple[float, float]](), 0.0, 0.0, 0.0, 0.0
    for wide, high in outer:
        if x and x + wide > row:
            x, y, tallest = 0.0, y + tallest, 0.0
        corners.append((x, y))
        x, tallest = x + wide, max(tallest, high)
        width = max(width, x)
    return corners, width, y + tallest


def _group(
    drawing: Drawing, group: Group, boxes: Sequence[Box], layout: Layout, corner: tuple[float, float]
) -> Iterator[str]:
    x, y = corner
    wide, high = layout.width + 1.5 * _EDGE, layout.height + _HEAD + 1.5 * _EDGE
    yield f'<g transform="translate({x:g},{y:g})">'
    yield f'<rect class="plan" x="4" y="4" width="{wide:g}" height="{high:g}" rx="6"/>'
    name = escape(cut(group.title, max(12, int((wide - 20) / 8))))
    yield f'<text class="name" x="{_EDGE:g}" y="24">{name}<title>{escape(group.title)}</title></text>'
    yield f'<g transform="translate({_EDGE - 2:g},{_HEAD + _EDGE / 2:g})">'
    for arrow, route in zip(group.arrows, layout.routes, strict=True):
        yield f'<path class="arrow {arrow.kind}" d="{_curve(route)}"/>'
    for arrow, route in zip(group.arrows, layout.routes, strict=True):
        end, foot = route.points[-1]
        yield f'<path class="head {arrow.kind}" d="M{end:g},{foot:g}l-3.5,-7h7z"/>'
    for box, place in zip(boxes, layout.places, strict=True):
        yield f'<g class="box {drawing.shade(box)}" transform="translate({place.x:g},{place.y:g})">'
        yield from _box(drawing.color, box, place.width, place.height)
        yield "</g>"
    yield "</g></g>"


def _box(color: Color, box: Box, width: float, height: float) -> Iterator[str]:
    mark, letters = _mark(color, box), int((width - 14) / _LETTER)
    whole = "\n".join(filter(None, (f"{box.title}: {box.detail}", mark)))
    yield f"<title>{escape(whole)}</title>"
    yield f'<rect width="{width:g}" height="{height:g}" rx="{3 if box.kind != "expert" else height / 2:g}"/>'
    upper, lower = (14, 27) if box.is_small else (19, 36)
    if box.kind == "expert":
        middle = f'text-anchor="middle" x="{width / 2:g}"'
        yield f'<text class="detail" {middle} y="{upper}">{escape(cut(box.title, letters))}</text>'
        yield f'<text class="mark" {middle} y="{lower}">{escape(box.detail)}</text>'
        return
    room = letters - (len(mark) + 1 if mark else 0)
    yield f'<text class="title" x="7" y="{upper}">{escape(cut(box.title, max(room, 8)))}</text>'
    yield f'<text class="detail" x="7" y="{lower}">{escape(cut(box.detail, letters))}</text>'
    if mark:
        yield f'<text class="mark" text-anchor="end" x="{width - 7:g}" y="{upper}">{escape(mark)}</text>'


def _mark(color: Color, box: Box) -> str:
    if box.kind == "expert":
        return ""
    if color is Color.SOURCE:
        return "" if box.origin is Origin.COMPUTED else str(box.origin)
    return duration(box.seconds) if box.seconds is not None and box.seconds >= 0.0005 else ""


def _curve(route: Route) -> str:
    """Straight beside boxes, bent between layers."""
    points = route.points
    parts = [f"M{points[0][0]:g},{points[0][1]:g}"]
    for number, ((x, y), (to, foot)) in enumerate(pairwise(points)):
        if number % 2 == 0:
            parts.append(f"V{foot:g}" if foot != y else "")
        else:
            middle = (y + foot) / 2
            parts.append(f"C{x:g},{middle:g} {to:g},{middle:g} {to:g},{foot:g}" if x != to else f"V{foot:g}")
    return "".join(parts)


def _meaning(drawing: Drawing) -> str:
    is_cost = drawing.color is Color.COST
    colors = "share of the predicted seconds, to load and to work" if is_cost else "where results come from"
    return f"colour: {colors}; lines: thick are pictures and latents, thin are models"


def _legend(drawing: Drawing, top: float) -> Iterator[str]:
    yield f'<g class="legend" transform="translate({_EDGE:g},{top:g})">'
    yield f'<text class="detail" y="12">{escape(_meaning(drawing))}</text>'
    row = 1
    if drawing.note:
        yield f'<text class="detail" y="{12 + _ENTRY:g}">{escape(drawing.note)}</text>'
        row = 2
    for number, shade in enumerate(drawing.legend, row):
        yield f'<g class="box {shade.name}" transform="translate(0,{number * _ENTRY:g})">'
        yield '<rect width="30" height="16" rx="3"/></g>'
        yield f'<text class="detail" x="38" y="{number * _ENTRY + 12:g}">{escape(shade.meaning)}</text>'
    yield "</g>"


def _style() -> str:
    """The rules of both grounds; the light ones hold where a viewer knows of no other."""
    common = (
        "text{font-family:system-ui,'DejaVu Sans',sans-serif;font-size:11px}"
        ".title,.name{font-weight:600}.name{font-size:14px}.mark{font-size:10px}"
        ".arrow{fill:none;stroke-width:1.3}.arrow.model,.arrow.expert{stroke-width:.7}"
        ".arrow.latent,.arrow.image{stroke-width:2.2}.box.unused rect{stroke-dasharray:4 3}"
    )
    light, dark = (
        _rules(LIGHT, "#ffffff", "#14202b", "#59646f"),
        _rules(DARK, "#0e141a", "#e6edf3", "#93a1af"),
    )
    light, dark = _scoped(common + light), _scoped(dark)
    return f"<style>{light}@media(prefers-color-scheme:dark){{{dark}}}</style>"


def _scoped(rules: str) -> str:
    """Rules that hold in this picture alone: it may stand in a page, a notebook say, among other things."""
    return re.sub(r"([^{},]+)(?=[^{}]*\{)", rf".{_SCOPE} \1", rules)


def _rules(paints: dict[str, Paint], ground: str, text: str, line: str) -> str:
    boxes = "".join(
        f".{name} rect{{fill:{paint.fill};stroke:{paint.line}}}.{name} text{{fill:{paint.text}}}"
        for name, paint in paints.items()
    )
    return (
        f"text{{fill:{text}}}.ground{{fill:{ground}}}.plan{{fill:{ground};stroke:{line};stroke-opacity:.4}}"
        f".arrow{{stroke:{line}}}.head{{fill:{line}}}{boxes}"
    )
