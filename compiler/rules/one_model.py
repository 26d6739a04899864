"""M316: what is written as weights, or added to weights, is one set of weights."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.ir.models import MODELS, operator_of, parted
from mosaic.compiler.passes.choose_operators import clash, fits
from mosaic.compiler.rules.place import place


def one_model(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """A model whose experts act in places, at times or on predictions has no weights to write or to add."""
    for node in graph.nodes():
        if node.op == "emit" and node.inputs[0].type.kind in MODELS:
            reason = parted(node.inputs[0], context.operators)
            if reason:
                spot = place(node, 0)
                yield errors.composition.NotOneModel(
                    spot.span,
                    "the emitted model",
                    reason,
                    "written as weights",
                    emitted=True,
                    calls=spot.trail,
                )
        if node.op == "fuse":
            yield from _operands(node, context)


def _operands(node: Node, context: Context) -> Iterator[Diagnostic]:
    operator = operator_of(node, context.operators)
    for position, given in enumerate(node.inputs[1:], 1):
        if given.type.kind not in operator.accepts:
            continue  # said by `fused_operands`
        if clash(operator, node.inputs[0], given, context.operators) != "parts":
            continue
        spot = place(node, position)
        able = tuple(
            name for name, other in context.operators.items() if fits(other, node, context.operators)
        )
        yield errors.composition.NotOneModel(
            spot.span,
            "an operand",
            parted(given, context.operators),
            f"added to weights by `{operator.name}`",
            able=able,
            calls=spot.trail,
        )
