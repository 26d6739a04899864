"""M407, M205: prompts that the encoder takes whole, and prompts that are there."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import constant
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.ir.models import Leaf, trees
from mosaic.compiler.ir.origins import SAMPLED, conditionings
from mosaic.compiler.rules.place import place
from mosaic.compiler.rules.prompt_texts import PromptText, read_texts
from mosaic.compiler.types import Kind


def prompts(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Nothing is cut off in silence."""
    known = trees(graph, context.operators)
    for node in graph.nodes():
        if node.op not in SAMPLED:
            continue
        found = conditionings(node)
        if found is None:
            if node.op == "refine":
                advice = "a picture from a file has no prompt to inherit"
                yield errors.names.MissingArgument(place(node).span, node.op, "prompt", advice)
            continue
        for each in read_texts(node, found):
            yield from _length(known.leaves(node.inputs[0]), each, context)


def _length(models: tuple[Leaf, ...], each: PromptText, context: Context) -> Iterator[Diagnostic]:
    """Every model that reads a text takes it whole; the first one that does not is told."""
    words = constant(each.text)
    if not isinstance(words, str):
        return
    for leaf in models:
        fused = [below.expert for below in leaf.experts if below.type.kind is Kind.EMBEDDING]
        count = context.experts.tokens(leaf.base.expert, fused, words)
        if count is not None and count.used > count.limit:
            lost = words[count.kept :].strip(" ,")
            yield errors.compatibility.PromptTooLong(
                each.spot.span, count.used, count.limit, lost, each.spot.trail
            )
            return
