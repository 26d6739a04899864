"""M315: wherever and whenever a picture is denoised, some prompt says what it is to show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import rectangle, region, strength, window
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.ir.origins import prompts
from mosaic.compiler.rules.place import place
from mosaic.compiler.rules.prompt_texts import PROMPT

SMALLEST = 1e-6
"""A part of the canvas or of the run below this is rounding: 30% and 70% need not make exactly one."""

Box = tuple[float, float, float, float, float, float]
"""Left, right, upper and lower edge, first and last moment: what a prompt covers."""


def uncovered(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Exact: edges and moments cut canvas and run into cells, and each cell is covered or not."""
    for node in graph.nodes():
        position = PROMPT.get(node.op)
        if position is None or node.inputs[position].op == "default":
            continue
        boxes = [_box(part) for part in prompts(node.inputs[position]) if strength(part) != 0]
        known = [box for box in boxes if box is not None]
        if len(known) < len(boxes):
            continue  # what a mask covers is known when it is drawn
        gap = _gap(known)
        if gap is not None:
            spot = place(node, position)
            yield errors.composition.NoPromptThere(spot.span, gap.told, spot.trail)


@dataclass(frozen=True)
class _Gap:
    x: tuple[float, float]
    y: tuple[float, float]
    time: tuple[float, float]

    @property
    def told(self) -> str:
        """In words: where, and when where that is not always."""
        where = f"in {_span(self.x)} of the width and {_span(self.y)} of the height"
        if self.x == self.y == (0.0, 1.0):
            where = "anywhere" if self.time == (0.0, 1.0) else ""
        when = "" if self.time == (0.0, 1.0) else f"during {_span(self.time)} of the run"
        return " ".join(filter(None, (where, when)))


def _span(part: tuple[float, float]) -> str:
    return "..".join(f"{100 * bound:.4g}%" for bound in part) if part != (0.0, 1.0) else "all"


def _box(part: Node) -> Box | None:
    """What a prompt covers; None where that is not known."""
    time, where = window(part) or (0.0, 1.0), region(part)
    edges = (0.0, 0.0, 1.0, 1.0) if where is None else rectangle(where)
    if edges is None:
        return None
    left, upper, right, lower = edges
    return left, right, upper, lower, *time


def _gap(boxes: Sequence[Box]) -> _Gap | None:
    axes = [_cuts([bound for box in boxes for bound in box[axis : axis + 2]]) for axis in (0, 2, 4)]
    for x, y, time in product(*(pairwise(cuts) for cuts in axes)):
        point = [(low + high) / 2 for low, high in (x, y, time)]
        if not any(all(box[2 * i] < at < box[2 * i + 1] for i, at in enumerate(point)) for box in boxes):
            return _Gap(x, y, time)
    return None


def _cuts(bounds: Sequence[float]) -> list[float]:
    """Where an axis is cut, both ends included; cuts that only rounding keeps apart are one."""
    cuts = [0.0]
    for bound in sorted(bound for bound in bounds if bound < 1.0 - SMALLEST):
        if bound > cuts[-1] + SMALLEST:
            cuts.append(bound)
    return [*cuts, 1.0]
