"""M430, M431, M432: LoRAs of one fusion that get in each other's way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.facts import Interference
from mosaic.compiler.ir.evaluate import operand
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.ir.models import operator_of
from mosaic.compiler.ir.origins import operands
from mosaic.compiler.operators import Acts
from mosaic.compiler.rules.fused import strength
from mosaic.compiler.rules.fused_operands import meet_in_time
from mosaic.compiler.rules.place import Place, place
from mosaic.compiler.types import Kind

CROWDED = 1.275
"""The overlap, in parts of what chance gives, from which the zoo's pairs lose: six of its eight pairs that show both
in fewer than 85 of 100 pictures lie above, its seven other pairs below (docs/interference.md).
"""
ALIKE = 0.5
"""The cosine at which two full strengths act like one of 1.5, where the zoo's adapters begin to spoil pictures."""
AGAINST = -0.3
"""The cosine at which two full strengths leave 0.7 of each, where the zoo's adapters begin to be missed."""

FELT = 0.25
"""One at less than this part of the other's strength is not judged."""


@dataclass(frozen=True)
class _Operand:
    given: Node
    node: Node
    strength: float
    spot: Place


def interference(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Every pair of LoRAs that one fusion into weights brings together."""
    for node in graph.nodes():
        if node.op != "fuse" or operator_of(node, context.operators).acts is not Acts.WEIGHTS:
            continue
        own = [
            made for at, given in enumerate(node.inputs[1:], 1) if (made := _operand(given, place(node, at)))
        ]
        # Places of operands further down are not asked for: the message points at what is new here.
        before = [made for given in operands(node.inputs[0]) if (made := _operand(given, Place(None)))]
        for number, second in enumerate(own):
            for first in (*before, *own[:number]):
                if meet_in_time(first.given, second.given):
                    yield from _judged(first, second, context)


def _operand(given: Node, spot: Place) -> _Operand | None:
    """A LoRA with its strength; None for what is none, does nothing, or is judged by another rule."""
    much, below = strength(given), operand(given)
    if below.op != "expert" or below.type.kind is not Kind.LORA or not much:
        return None
    return _Operand(given, below, much, spot)


def _judged(first: _Operand, second: _Operand, context: Context) -> Iterator[Diagnostic]:
    one, two = first.node.expert, second.node.expert
    if first.node.digest == second.node.digest:
        return
    if one.family is not None and two.family is not None and one.family != two.family:
        return
    met = context.experts.interference(one, two)
    if met is None:
        return
    if kind := _kind(met, first.strength, second.strength):
        strengths = (first.strength, second.strength)
        names = (first.node.name, second.node.name)
        yield kind(second.spot.span, *names, met, strengths, first.spot.span, second.spot.trail)


def _kind(met: Interference, first: float, second: float) -> type[errors.interference.Pair] | None:
    """What is to be said of a pair at its strengths.

    Of the energy of two deltas of one size, added at strengths a and b, 2·a·b / (a² + b²) times their cosine is their
    common term: one that is much weaker than the other neither adds to it nor is missed.
    """
    weaker, stronger = sorted((abs(first), abs(second)))
    if weaker < FELT * stronger:
        return None
    balance = 2 / (stronger / weaker + weaker / stronger)
    cosine = met.cosine * balance * math.copysign(1, first) * math.copysign(1, second)
    if cosine >= ALIKE:
        return errors.interference.Doubles
    if cosine <= AGAINST:
        return errors.interference.Cancels
    if met.chance and 1 + (met.overlap / met.chance - 1) * balance >= CROWDED:
        return errors.interference.Interferes
    return None
