"""M402: every tensor of an expert finds its place in the base, by name and shape."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import operand
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.ir.origins import base_expert
from mosaic.compiler.rules.place import place


def coverage(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Partly loaded experts are what the field's users complain of most; here they do not compile."""
    for node in graph.nodes():
        if node.op != "fuse":
            continue
        base = base_expert(node.inputs[0])
        for position, given in enumerate(node.inputs[1:], 1):
            expert = operand(given).expert
            if base.family and expert.family and base.family != expert.family:
                continue  # said by `families`
            found = context.experts.coverage(base, expert)
            if found.complete:
                continue
            spot = place(node, position)
            yield errors.compatibility.IncompleteCoverage(
                spot.span,
                expert.kind.value,
                expert.id,
                found.matched,
                found.total,
                found.unmatched,
                found.misshaped,
                place(node, 0).span,
                spot.trail,
            )
