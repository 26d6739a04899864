"""M404, M405: the words of an expert mean something only to a model that has it."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import constant, operand
from mosaic.compiler.ir.graph import Graph, Node, walk
from mosaic.compiler.ir.models import trees
from mosaic.compiler.ir.origins import SAMPLED, conditionings
from mosaic.compiler.rules.place import place
from mosaic.compiler.rules.triggers import insertion
from mosaic.compiler.types import Kind


def tokens(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Each insert of an expert is checked against the model that reads the prompt, and the other way round."""
    known = trees(graph, context.operators)
    for node in graph.nodes():
        if node.op not in SAMPLED:
            continue
        found = conditionings(node)
        if found is None:
            continue
        fused = known.experts(node.inputs[0])
        present = {below.digest for below in fused}
        for trigger in walk(found.texts):
            if trigger.op == "trigger" and operand(trigger.inputs[0]).digest not in present:
                spot = place(trigger)
                name = operand(trigger.inputs[0]).name
                yield errors.compatibility.TokenWithoutMeaning(
                    spot.span, name, place(node, 0).span, spot.trail
                )
        yield from _unused(node, graph, fused, " ".join(str(constant(text)) for text in found.texts))


def _unused(node: Node, graph: Graph, fused: tuple[Node, ...], text: str) -> Iterator[Diagnostic]:
    for below in fused:
        token = below.expert.trigger
        if below.type.kind is Kind.EMBEDDING and token is not None and token not in text:
            spot, insert, edit = insertion(below, node, token, graph)
            yield errors.compatibility.TokenUnused(spot.span, below.name, token, insert, edit, spot.trail)
