"""A program as a picture: its instructions in columns, drawn as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mosaic.compiler.program import Instruction
from mosaic.runtime.verify import takes

_WIDTH: Final = 150
_HEIGHT: Final = 46
_ACROSS: Final = 58
_DOWN: Final = 22
_EDGE: Final = 6


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
    """A curve from one box to another, as the data of an SVG path. `kind` is the value's type."""

    path: str
    kind: str


@dataclass(frozen=True)
class Diagram:
    """Boxes and curves in a picture of `width` × `height` pixels."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    width: float
    height: float


def draw(instructions: Sequence[Instruction], texts: Mapping[int, tuple[str, str]]) -> Diagram:
    """Lay out instructions from left to right, each behind everything that it takes.

    `texts` gives the heading and the second line of each instruction by position.
    """
    made = {instruction.result: number for number, instruction in enumerate(instructions)}
    sources = [
        [(made[value], kind) for value, kind in takes(instruction.operation) if value in made]
        for instruction in instructions
    ]
    columns = _columns(sources)
    rows = _rows(columns, sources)
    tallest = max((len(column) for column in columns), default=1)
    nodes: dict[int, Node] = {}
    for place, column in enumerate(rows):
        indent = (tallest - len(column)) * (_HEIGHT + _DOWN) / 2
        for row, number in enumerate(column):
            title, detail = texts[number]
            x = _EDGE + place * (_WIDTH + _ACROSS)
            y = _EDGE + indent + row * (_HEIGHT + _DOWN)
            op = instructions[number].operation.op
            nodes[number] = Node(number, op, _short(title), _short(detail), x, y)
    edges = [
        Edge(_curve(nodes[source], nodes[number]), kind)
        for number, taken in enumerate(sources)
        for source, kind in taken
    ]
    width = len(columns) * (_WIDTH + _ACROSS) - _ACROSS + 2 * _EDGE
    height = tallest * (_HEIGHT + _DOWN) - _DOWN + 2 * _EDGE
    return Diagram(tuple(nodes[n] for n in sorted(nodes)), tuple(edges), max(width, 0), max(height, 0))


def _columns(sources: Sequence[Sequence[tuple[int, str]]]) -> list[list[int]]:
    """Instructions by the length of the longest way to them."""
    depth: list[int] = []
    for taken in sources:
        depth.append(1 + max((depth[source] for source, _ in taken), default=-1))
    columns: list[list[int]] = [[] for _ in range(max(depth, default=-1) + 1)]
    for number, place in enumerate(depth):
        columns[place].append(number)
    return columns


def _rows(columns: Sequence[Sequence[int]], sources: Sequence[Sequence[tuple[int, str]]]) -> list[list[int]]:
    """Each column in the order of what its members take, which keeps curves from crossing (barycentre method,
    Sugiyama et al. 1981)."""
    placed: dict[int, float] = {}
    ordered: list[list[int]] = []
    for column in columns:
        centres = {
            number: sum(placed[source] for source, _ in sources[number]) / max(1, len(sources[number]))
            for number in column
        }
        row = sorted(column, key=lambda number: (centres[number], number))
        placed.update({number: index - (len(row) - 1) / 2 for index, number in enumerate(row)})
        ordered.append(row)
    return ordered


def _curve(source: Node, target: Node) -> str:
    x1, y1 = source.x + source.width, source.y + source.height / 2
    x2, y2 = target.x, target.y + target.height / 2
    bend = max(_ACROSS / 2, (x2 - x1) / 2)
    return f"M{x1:g},{y1:g} C{x1 + bend:g},{y1:g} {x2 - bend:g},{y2:g} {x2:g},{y2:g}"


def _short(text: str, most: int = 22) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
