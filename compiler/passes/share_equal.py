"""Compute equal things once."""

from __future__ import annotations

from mosaic.compiler.context import Context
from mosaic.compiler.ir.graph import Graph, Node, map_graph
from mosaic.compiler.ir.ops import EFFECTS, with_inputs


def share_equal(graph: Graph, context: Context) -> Graph:
    """Graphs in which nodes of equal digest are one object. What writes a file is left alone."""
    first: dict[str, Node] = {}

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = with_inputs(node, inputs)
        return node if node.op in EFFECTS else first.setdefault(node.digest, node)

    return map_graph(graph, rewrite)
