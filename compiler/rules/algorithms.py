"""M410: the operator can take an adapter's deltas as they are encoded."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.passes.choose_operators import decodes
from mosaic.compiler.rules.fused import Fused, fused, suggest


def algorithms(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """An OFT read as a LoRA would give a wrong picture; what no operator takes is refused."""
    for each in fused(graph, context):
        if is_taken(each) or each.expert.adapter is None:
            continue
        algorithm, spot = each.expert.adapter.algorithm, each.spot
        able = tuple(name for name, other in context.operators.items() if decodes(other, each.node))
        own = each.operator
        instead = suggest(context, each)
        yield errors.adapters.AlgorithmNotTaken(
            spot.span,
            each.expert.id,
            algorithm,
            own.name,
            own.algorithms,
            able,
            spot.trail,
            instead.fitting,
            instead.reference,
        )


def is_taken(each: Fused) -> bool:
    """Whether the fusion's operator takes the operand's encoding."""
    return decodes(each.operator, each.node)
