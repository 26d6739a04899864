"""Work out what is known at compile time."""

from __future__ import annotations

from mosaic.compiler.context import Context
from mosaic.compiler.ir.evaluate import constant, number
from mosaic.compiler.ir.graph import Graph, Node, map_graph, scalar
from mosaic.compiler.ir.ops import with_inputs
from mosaic.compiler.types import Kind


def fold_constants(graph: Graph, context: Context) -> Graph:
    """Graphs whose texts are plain: `"{hero} at night"` becomes `"<samurai> at night"`; strengths, windows and regions
    are spelled in one way, `1` and `100%` as `1.0`.

    >>> from mosaic.compiler.ir.graph import Graph
    >>> from mosaic.compiler.ir.ops import make
    >>> from mosaic.compiler.types import Kind
    >>> text = make("format", (scalar(Kind.TEXT, "seed "), scalar(Kind.INT, 7)))
    >>> fold_constants(Graph("g", (), (("t", text),)), None).bindings[0][1].attribute("value")
    'seed 7'
    """

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = with_inputs(node, inputs)
        if node.op in _NUMBERED:
            return with_inputs(node, tuple(map(_spelled, node.inputs)))
        if node.op == "const":
            return node
        value = constant(node)
        return node if value is None else scalar(node.type.kind, value, node.origin)

    return map_graph(graph, rewrite)


_NUMBERED = ("strength", "window", "rect", "mask")


def _spelled(node: Node) -> Node:
    value = number(node) if node.op == "const" else None
    return node if value is None else scalar(Kind.NUMBER, value, node.origin)
