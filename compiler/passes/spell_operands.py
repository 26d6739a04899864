"""Write what is said of an operand or a prompt in one way."""

from __future__ import annotations

from mosaic.compiler.context import Context
from mosaic.compiler.ir.evaluate import INFIXES, infixes, is_partial, operand, region, strength, window
from mosaic.compiler.ir.graph import Graph, Node, map_graph, scalar
from mosaic.compiler.ir.ops import make, with_inputs
from mosaic.compiler.types import Kind


def spell_operands(graph: Graph, context: Context) -> Graph:
    """Graphs in which an operand has at most one strength, one region and one window, in this order.

    `neon during 0%..50% * 0.5` and `neon * 0.5 during 0%..50%` are the same; so is `neon * 0.25 * 2 during 0%..50%`:
    strengths multiply, and of windows their common part counts.
    """
    spelled: dict[int, Node] = {}

    def once(given: Node) -> Node:
        if given.op not in INFIXES:
            return given
        if id(given) not in spelled:
            spelled[id(given)] = _spelled(given)
        return spelled[id(given)]

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = with_inputs(node, inputs)
        # An infix below another one is spelled with the one above.
        return node if node.op in INFIXES else with_inputs(node, tuple(map(once, node.inputs)))

    return map_graph(graph, rewrite)


def _spelled(given: Node) -> Node:
    factor = strength(given)
    if factor is None or len(list(infixes(given, "region"))) > 1:
        return given
    node = operand(given)
    if is_partial(given):
        node = make("partial", (node,), origin=given.origin)
    if factor != 1.0:
        node = make("strength", (node, scalar(Kind.NUMBER, factor)), origin=given.origin)
    place, time = region(given), window(given)
    if place is not None:
        node = make("region", (node, place), origin=given.origin)
    if time is not None:
        bounds = (scalar(Kind.NUMBER, bound) for bound in time)
        node = make("window", (node, *bounds), origin=given.origin)
    return given if node.digest == given.digest else node
