"""M407, M205: prompts that the encoder takes whole, and prompts that are there."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import constant, operand
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.ir.origins import SAMPLED, base_expert, conditionings, operands
from mosaic.compiler.rules.place import place
from mosaic.compiler.types import Kind

_PLACES = {"sample": (1, 2), "resume": (2, 3), "refine": (3, 4)}


def prompts(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Nothing is cut off in silence."""
    for node in graph.nodes():
        if node.op not in SAMPLED:
            continue
        found = conditionings(node)
        if found is None:
            if node.op == "refine":
                advice = "a picture from a file has no prompt to inherit"
                yield errors.names.MissingArgument(place(node).span, node.op, "prompt", advice)
            continue
        for position, text in zip(_PLACES[node.op], (found.prompt, found.negative), strict=True):
            yield from _length(node, position, text, context)


def _length(node: Node, position: int, text: Node, context: Context) -> Iterator[Diagnostic]:
    words = constant(text)
    if not isinstance(words, str):
        return
    fused = [operand(given) for given in operands(node.inputs[0])]
    embeddings = [below.expert for below in fused if below.type.kind is Kind.EMBEDDING]
    count = context.experts.tokens(base_expert(node.inputs[0]), embeddings, words)
    if count is None or count.used <= count.limit:
        return
    spot = place(node, position)
    yield errors.compatibility.PromptTooLong(
        spot.span, count.used, count.limit, words[count.kept :].strip(" ,"), spot.trail
    )
