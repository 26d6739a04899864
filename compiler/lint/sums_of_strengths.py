"""M006: strengths that add up to more than was measured to work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import WHOLE_RUN, operand, strength, window
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.ir.models import operator_of
from mosaic.compiler.lint.subject import Subject
from mosaic.compiler.operators import Law
from mosaic.compiler.rules.place import place
from mosaic.compiler.types import Kind

MOST: Final = 5.0
"""From this sum on, every row of `sum` that was measured was right in fewer than half of the pictures: five LoRAs at
full strength .205, at the best strengths that were tried (5.8 in sum) .396; four at 4.4 to 4.8 are right in .661
(docs/composition.md).
"""


def sums_of_strengths(subject: Subject) -> Iterator[Diagnostic]:
    """LoRAs that an operator adds, those of the model below included where they were added as well."""
    for graph in subject.graphs:
        yield from _of_plan(graph, subject.context)


def _of_plan(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    for node in graph.nodes():
        if node.op != "fuse" or not _adds(node, context):
            continue
        total = _most(_added(node, context))
        if total < MOST or _most(_added(node.inputs[0], context)) >= MOST:
            continue  # said of the fusion below
        spot = place(node)
        number, operator = len(_added(node, context)), operator_of(node, context.operators).name
        yield errors.lints.StrengthsAddUp(spot.span, (), number, total, operator, MOST, spot.trail)


def _adds(node: Node, context: Context) -> bool:
    return Law.LINEAR in operator_of(node, context.operators).laws


def _added(model: Node, context: Context) -> tuple[Node, ...]:
    """The LoRAs that stand in a model's weights at their strengths."""
    found: list[Node] = []
    while model.op == "fuse" and _adds(model, context):
        found += (given for given in model.inputs[1:] if operand(given).type.kind is Kind.LORA)
        model = model.inputs[0]
    return tuple(given for given in found if strength(given))


def _most(added: tuple[Node, ...]) -> float:
    """The largest sum of strengths at any time of the run. It can only rise where a window opens."""
    spans = [(window(given) or WHOLE_RUN, abs(strength(given) or 0.0)) for given in added]
    return max(
        (sum(much for (low, high), much in spans if low <= start < high) for (start, _), _ in spans),
        default=0.0,
    )
