"""How regions cover a canvas, cell by cell, as the engine weighs them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import fsum

from mosaic.compiler.ir.evaluate import feather, rectangle
from mosaic.compiler.ir.graph import Node

_NEARLY = 1e-6

Sides = tuple[tuple[float, ...], tuple[float, ...]]
"""What a region covers of each row and of each column; of a cell it is their product."""


def least(regions: Sequence[Node | None], weights: Sequence[float], height: int, width: int) -> float:
    """The least that any cell of a canvas (height, width) has of weights times their regions.

    None is the whole canvas; a picture's mask is taken to leave cells out.
    """
    sides = [_sides(found, height, width) for found in regions]
    # Most rows and columns are like their neighbours.
    rows: set[tuple[float, ...]] = set(zip(*(down for down, _ in sides), strict=True)) or {()}
    columns: set[tuple[float, ...]] = set(zip(*(across for _, across in sides), strict=True)) or {()}
    return min(
        fsum(weight * y * x for weight, y, x in zip(weights, row, column, strict=True))
        for row in rows
        for column in columns
    )


def is_whole(covered: float) -> bool:
    """Whether nothing is left of a canvas that has at least so much everywhere."""
    return covered > 1 - _NEARLY


def _sides(region: Node | None, height: int, width: int) -> Sides:
    if region is None:
        return (1.0,) * height, (1.0,) * width
    edges = rectangle(region)
    if edges is None:
        return (0.0,) * height, (0.0,) * width
    left, upper, right, lower = edges
    soft = feather(region) * min((right - left) * width, (lower - upper) * height)
    return (
        _covered(upper * height, lower * height, height, soft),
        _covered(left * width, right * width, width, soft),
    )


def _covered(start: float, end: float, cells: int, soft: float) -> tuple[float, ...]:
    """The part of each cell of a row between two edges. An edge on the canvas's border is never soft."""
    rises = [1.0] * cells if start <= 0 else _risen(start, cells, soft)
    falls = [0.0] * cells if end >= cells else _risen(end, cells, soft)
    return tuple(min(1.0, max(0.0, rise - fall)) for rise, fall in zip(rises, falls, strict=True))


def _risen(edge: float, cells: int, soft: float) -> list[float]:
    """The mean over each cell of a ramp from 0 to 1, `soft` cells wide and centred on an edge."""
    low, high = edge - soft / 2, edge + soft / 2

    def area(at: float) -> float:
        on = (min(max(at, low), high) - low) ** 2 / (2 * soft) if soft > 0 else 0.0
        return on + max(0.0, at - high)

    return [area(b) - area(a) for a, b in pairwise(range(cells + 1))]
