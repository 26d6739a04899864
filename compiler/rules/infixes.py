"""M306: a strength, a region or a window is a word to `fuse`; anywhere else it would be ignored."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import INFIXES
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.rules.place import place


def infixes(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Look at every use of an operand with an infix."""
    for node in graph.nodes():
        if node.op in INFIXES or node.op == "trigger":
            continue
        for position, given in enumerate(node.inputs):
            if given.op not in INFIXES or (node.op == "fuse" and position > 0):
                continue
            spot = place(node, position)
            where = "the base of `fuse`" if node.op == "fuse" else f"`{node.op}`"
            advice = "only the experts that are fused into a base take a strength, a region or a window"
            yield errors.types.NotAnOperand(
                spot.span, f"a {given.op}", f"means nothing to {where}", advice, spot.trail
            )
