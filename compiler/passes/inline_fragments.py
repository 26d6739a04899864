"""Replace each call of a fragment by its body."""

from __future__ import annotations

from dataclasses import replace

from mosaic.compiler.context import Context
from mosaic.compiler.ir.graph import Fragment, Graph, Node, Origin, map_graph, rebuild
from mosaic.compiler.ir.ops import make, with_inputs
from mosaic.compiler.source import Span


def inline_fragments(graph: Graph, context: Context) -> Graph:
    """Graphs without calls. Types sharpen on the way: a fragment's `model` takes the family of its argument.

    A name is bound before its use, so calls cannot recurse, and fragments stand in the order of their use.
    """
    inlined: dict[str, Fragment] = {}

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node.op != "call":
            return with_inputs(node, inputs)
        return _body(inlined[str(node.attribute("fragment"))], inputs, node.origin)

    for key, fragment in graph.fragments.items():
        (result,) = rebuild((fragment.result,), rewrite)
        inlined[key] = replace(fragment, result=result)
    return replace(map_graph(graph, rewrite), fragments={})


def _body(fragment: Fragment, arguments: tuple[Node, ...], call: Origin | None) -> Node:
    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node.op == "argument":
            return arguments[int(str(node.attribute("index")))]
        origin = _through(node.origin, call.span) if call and node.origin else node.origin
        return make(node.op, inputs, dict(node.attributes), origin=origin, like=node)

    (result,) = rebuild((fragment.result,), rewrite)
    return result


def _through(origin: Origin, call: Span) -> Origin:
    return replace(origin, calls=(call, *origin.calls))
