"""Take out what changes nothing: operands at strength zero, windows of the whole run, regions of the whole canvas."""

from __future__ import annotations

from mosaic.compiler.context import Context
from mosaic.compiler.ir.evaluate import WHOLE_RUN, is_canvas, number, strength
from mosaic.compiler.ir.fusions import choosing
from mosaic.compiler.ir.graph import Graph, Node, map_graph
from mosaic.compiler.ir.models import BESIDE, operator_of
from mosaic.compiler.ir.ops import make, with_inputs
from mosaic.compiler.ir.origins import prompts
from mosaic.compiler.operators import Law, Operator


def drop_idle(graph: Graph, context: Context) -> Graph:
    """Graphs in which every infix and every operand has something to say.

    - A strength of 1, a window of 0%..100% and a region of the whole canvas without a soft edge are the same as none.
    - An operand of strength zero is left out where the operator's laws allow it; so is a prompt of weight zero.
    - A fusion without operands is its base, and a list of one plain prompt is that prompt.
    """

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = with_inputs(node, inputs)
        if _says_nothing(node):
            return node.inputs[0]
        if node.op == "fuse":
            return _fusion(node, operator_of(node, context.operators))
        return _prompts(node) if node.op == "prompts" else node

    return map_graph(graph, rewrite)


def _says_nothing(node: Node) -> bool:
    match node.op:
        case "strength":
            return number(node.inputs[1]) == 1.0
        case "window":
            return (number(node.inputs[1]), number(node.inputs[2])) == WHOLE_RUN
        case "region":
            return is_canvas(node.inputs[1])
        case _:
            return False


def _fusion(node: Node, operator: Operator) -> Node:
    kept = [at for at, given in enumerate(node.inputs) if not at or not _is_idle(given, operator)]
    if len(kept) == 1:
        return node.inputs[0]
    return node if len(kept) == len(node.inputs) else choosing(node, kept, operator)


def _is_idle(given: Node, operator: Operator) -> bool:
    if given.type.kind in BESIDE or Law.IDENTITY_AT_ZERO not in operator.laws:
        return False
    return strength(given) == 0.0


def _prompts(node: Node) -> Node:
    counting = tuple(part for part in prompts(node) if strength(part) != 0.0)
    if len(counting) == 1 and counting[0].op in ("const", "format"):
        return counting[0]
    return node if len(counting) == len(node.inputs) else make("prompts", counting, like=node)
