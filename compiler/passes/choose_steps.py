"""Settle how many steps a run takes where the plan leaves a range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Final

from mosaic.compiler.context import Context
from mosaic.compiler.ir.evaluate import constant
from mosaic.compiler.ir.graph import Graph, Node, map_graph
from mosaic.compiler.ir.ops import make, with_inputs
from mosaic.compiler.pins import Pins
from mosaic.compiler.verbs import MOST_STEPS

LOW: Final = Fraction(0)
HIGH: Final = Fraction(1)


@dataclass(frozen=True, order=True)
class Steps:
    """A range of steps as a plan writes it, `low..high`, both included; at least one step."""

    low: int
    high: int

    def at(self, part: Fraction) -> int:
        """The number at a part of the way from the lowest (0) to the highest (1)."""
        return self.low + floor(part * (self.high - self.low))

    def __str__(self) -> str:
        return f"{self.low}..{self.high}"


Numbers = Mapping[Steps, int]
"""How many steps each range of a plan stands for. Equal ranges stand for equal numbers."""


@dataclass(frozen=True)
class Taken:
    """How many steps a range stands for, and why."""

    steps: Steps
    number: int
    reason: str


def choose_steps(graph: Graph, context: Context) -> Graph:
    """Graphs whose numbers of steps are known: those that a lock holds, else the most."""
    return take(graph, at(open_steps(graph), HIGH, context.pins))


def open_steps(graph: Graph) -> tuple[Steps, ...]:
    """The ranges of a graph without fragments, each once, in the order of the plan. What makes no sense is left out."""
    found = (_steps(node) for node in graph.nodes() if node.op == "range")
    return tuple(dict.fromkeys(steps for steps in found if steps is not None))


def at(ranges: Sequence[Steps], part: Fraction, pins: Pins) -> dict[Steps, int]:
    """Numbers for all ranges at one part of their ways; what a lock holds does not move."""
    return {steps: pins.steps.get((steps.low, steps.high), steps.at(part)) for steps in ranges}


def parts(ranges: Sequence[Steps], pins: Pins) -> list[Fraction]:
    """All parts of the way at which a number changes that no lock holds, the lowest and the highest among them."""
    widths = {steps.high - steps.low for steps in ranges if (steps.low, steps.high) not in pins.steps}
    found = {Fraction(step, width) for width in widths for step in range(1, width + 1)}
    return sorted({LOW, *found})


def take(graph: Graph, numbers: Numbers) -> Graph:
    """The graph with these numbers for its ranges, whatever they stood for before."""
    if not any(node.op == "range" for node in graph.nodes()):
        return graph

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = with_inputs(node, inputs)
        if node.op != "range":
            return node
        steps = _steps(node)
        number = numbers.get(steps) if steps is not None else _sensible(node)
        return node if number is None else make("range", inputs, {"taken": number}, like=node)

    return map_graph(graph, rewrite)


def _steps(node: Node) -> Steps | None:
    low, high = (constant(given) for given in node.inputs)
    if any(given.op == "range" for given in node.inputs):
        return None
    if not isinstance(low, int) or not isinstance(high, int) or not 1 <= low <= high <= MOST_STEPS:
        return None
    return Steps(low, high)


def _sensible(node: Node) -> int:
    """For a range of which a rule speaks: a number that makes no other rule speak of it."""
    bounds = [value for given in node.inputs if isinstance(value := constant(given), int)]
    return min(max([1, *bounds]), MOST_STEPS)
