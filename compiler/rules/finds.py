"""M218, M219: a `find` that found nothing, or that would have to be two experts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import operand
from mosaic.compiler.ir.graph import Graph, Node, map_graph, scalar, walk
from mosaic.compiler.ir.ops import make, with_inputs
from mosaic.compiler.rules.place import place
from mosaic.compiler.types import Kind

_SHOWN = 3


def finds(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """What `resolve_finds` left is what it could not resolve."""
    for node in graph.nodes():
        if node.op != "find" or node.found is None:
            continue
        spot, told = place(node), node.found
        if told.families:
            yield errors.finds.FoundForTwoFamilies(
                spot.span, told.kind, told.words, told.families, spot.trail
            )
            continue
        known = () if told.refused else tuple(context.experts.names(node.type.kind))
        yield errors.finds.FoundNothing(
            spot.span, told.kind, told.words, told.refused, known[:_SHOWN], len(known), spot.trail
        )


def without_finds(graph: Graph) -> Graph:
    """The graph without what hangs on an expert that was not found, so that the other rules can judge the rest."""
    if not any(node.op == "find" for node in graph.nodes()):
        return graph
    graph = map_graph(graph, _without)
    return replace(
        graph,
        emits=tuple(node for node in graph.emits if not _open(node)),
        bindings=tuple((name, node) for name, node in graph.bindings if not _open(node)),
    )


def _without(node: Node, inputs: tuple[Node, ...]) -> Node:
    if node.op == "trigger" and operand(inputs[0]).op == "find":
        return scalar(Kind.TEXT, "", node.origin)
    if node.op != "fuse":
        return with_inputs(node, inputs)
    kept = [at for at, given in enumerate(inputs) if at == 0 or operand(given).op != "find"]
    spans = node.origin.inputs if node.origin else ()
    made = make("fuse", tuple(inputs[at] for at in kept), dict(node.attributes), like=node)
    if len(kept) == len(inputs) or node.origin is None:
        return made
    return replace(
        made, origin=replace(node.origin, inputs=tuple(spans[at] for at in kept if at < len(spans)))
    )


def _open(node: Node) -> bool:
    return any(below.op == "find" for below in walk((node,)))
