"""M401: experts are fused into a base of their own family."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import operand
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.rules.place import place


def families(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """An expert of another known family has no place in the base. An unknown one is left to `coverage`."""
    for node in graph.nodes():
        if node.op != "fuse":
            continue
        base = node.inputs[0].type.family
        for position, given in enumerate(node.inputs[1:], 1):
            family = given.type.family
            if base is None or family is None or base == family:
                continue
            spot, below = place(node, position), operand(given)
            kind = given.type.kind
            yield errors.compatibility.FamilyMismatch(
                spot.span, kind.value, below.name, family, base, place(node, 0).span, spot.trail
            )
