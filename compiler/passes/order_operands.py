"""Put the operands of a fusion in one order, where their order does not matter."""

from __future__ import annotations

from mosaic.compiler.context import Context
from mosaic.compiler.ir.fusions import choosing
from mosaic.compiler.ir.graph import Graph, Node, map_graph
from mosaic.compiler.ir.models import BESIDE, operator_of
from mosaic.compiler.ir.ops import with_inputs
from mosaic.compiler.operators import Law


def order_operands(graph: Graph, context: Context) -> Graph:
    """Graphs in which symmetric operators have their operands sorted by digest, so that writing them in another order
    is the same program. Windows count last: where some of them are closed, what is left is in order as well.

    Embeddings and VAEs go first, in the order in which they are written: tokens are numbered by it, and of two VAEs the
    last one counts. They are applied before anything is blended, wherever they stand.
    """

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = with_inputs(node, inputs)
        if node.op != "fuse":
            return node
        operator = operator_of(node, context.operators)
        if Law.SYMMETRIC not in operator.laws:
            return node
        places = range(1, len(node.inputs))
        beside = [at for at in places if node.inputs[at].type.kind in BESIDE]
        blended = [at for at in places if node.inputs[at].type.kind not in BESIDE]
        order = [0, *beside, *sorted(blended, key=lambda at: _key(node.inputs[at]))]
        return node if order == [0, *places] else choosing(node, order, operator)

    return map_graph(graph, rewrite)


def _key(given: Node) -> tuple[str, str]:
    # `spell_operands` leaves a window outermost.
    always = given.inputs[0] if given.op == "window" else given
    return always.digest, given.digest
