"""A program as a picture: its instructions from top to bottom, drawn as SVG.

A layered drawing (Sugiyama et al. 1981): each instruction stands below everything that it takes; a value that is
used further down passes the layers between in a lane of its own, so that no line runs behind a box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from mosaic.compiler.program import Instruction
from mosaic.runtime.verify import takes

_WIDTH: Final = 208
_LANE: Final = 8
_HEIGHT: Final = 48
_DOWN: Final = 40
_GAP: Final = 30
_EDGE: Final = 4
_LETTERS: Final = 26


@dataclass(frozen=True)
class Node:
    """A box: position of its upper left corner in pixels, its heading and a second line."""

    number: int
    op: str
    title: str
    detail: str
    x: float
    y: float
    width: int = _WIDTH
    height: int = _HEIGHT


@dataclass(frozen=True)
class Edge:
    """A curve from one box down to another, as the data of an SVG path. `kind` is the value's type."""

    path: str
    kind: str


@dataclass(frozen=True)
class Diagram:
    """Boxes and curves in a picture of `width` × `height` pixels."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    width: float
    height: float


@dataclass
class _Item:
    """A box, or where the lane of instruction `source` passes a layer; `x` is its middle."""

    source: int
    width: int
    above: list[_Item] = field(default_factory=list)
    x: float = 0.0


def draw(instructions: Sequence[Instruction], texts: Mapping[int, tuple[str, str]]) -> Diagram:
    """Lay out instructions. `texts` gives the heading and the second line of each by position."""
    made = {instruction.result: number for number, instruction in enumerate(instructions)}
    sources = [
        dict.fromkeys((made[value], kind) for value, kind in takes(i.operation) if value in made)
        for i in instructions
    ]
    depth: list[int] = []
    for taken in sources:
        depth.append(1 + max((depth[source] for source, _ in taken), default=-1))
    layers, boxes, ways = _layers(depth, [[source for source, _ in taken] for taken in sources])
    for layer in layers:
        _place(layer)
    items = [item for layer in layers for item in layer]
    left = min((item.x - item.width / 2 for item in items), default=0.0) - _EDGE
    for item in items:
        item.x -= left
    nodes = []
    for number, instruction in enumerate(instructions):
        title, detail = (_short(text) for text in texts[number])
        x = boxes[number].x - _WIDTH / 2
        nodes.append(Node(number, instruction.operation.op, title, detail, round(x, 1), _top(depth[number])))
    edges = [
        Edge(_curve([boxes[source], *ways[source, number], boxes[number]], depth[source]), kind)
        for number, taken in enumerate(sources)
        for source, kind in taken
    ]
    width = max((item.x + item.width / 2 for item in items), default=0.0) + _EDGE
    return Diagram(tuple(nodes), tuple(edges), round(width, 1), _top(len(layers)) - _DOWN + _EDGE)


_Ways = dict[tuple[int, int], list[_Item]]


def _layers(
    depth: Sequence[int], sources: Sequence[Sequence[int]]
) -> tuple[list[list[_Item]], list[_Item], _Ways]:
    """The items of each layer, the box of each instruction, and the lane items between two boxes."""
    layers: list[list[_Item]] = [[] for _ in range(max(depth, default=-1) + 1)]
    boxes = [_Item(number, _WIDTH) for number in range(len(depth))]
    lanes: dict[tuple[int, int], _Item] = {}
    ways: _Ways = {}
    for number, box in enumerate(boxes):
        layers[depth[number]].append(box)
        for source in sources[number]:
            way = []
            above = boxes[source]
            for level in range(depth[source] + 1, depth[number]):
                lane = lanes.get((source, level))
                if lane is None:
                    lane = lanes[source, level] = _Item(source, _LANE, [above])
                    layers[level].append(lane)
                way.append(lane)
                above = lane
            box.above.append(above)
            ways[source, number] = way
    return layers, boxes, ways


def _place(layer: list[_Item]) -> None:
    """Put each item below the middle of what it takes, in that order, without overlap."""
    wanted = {id(item): sum(a.x for a in item.above) / max(1, len(item.above)) for item in layer}
    layer.sort(key=lambda item: (wanted[id(item)], item.source))
    edge = float("-inf")
    for item in layer:
        item.x = max(wanted[id(item)], edge + _GAP + item.width / 2)
        edge = item.x + item.width / 2
    # Pushing apart moved everything to the right: centre it again.
    shift = sum(item.x - wanted[id(item)] for item in layer) / max(1, len(layer))
    for item in layer:
        item.x -= shift


def _top(level: int) -> float:
    return _EDGE + level * (_HEIGHT + _DOWN)


def _curve(points: Sequence[_Item], level: int) -> str:
    """From the foot of the first box through the lanes to the head of the last."""
    parts = [f"M{points[0].x:.1f},{_top(level) + _HEIGHT:.1f}"]
    for offset, (above, below) in enumerate(pairwise(points), start=level):
        start, end = _top(offset) + _HEIGHT, _top(offset + 1)
        middle = (start + end) / 2
        parts.append(f"C{above.x:.1f},{middle:.1f} {below.x:.1f},{middle:.1f} {below.x:.1f},{end:.1f}")
        if below is not points[-1]:
            parts.append(f"V{end + _HEIGHT:.1f}")
    return " ".join(parts)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1].rstrip()}…"
