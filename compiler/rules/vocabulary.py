"""M413: an embedding's token is a new word to the base."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.rules.fused import fused
from mosaic.compiler.types import Kind


def vocabulary(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """A token that the tokenizer takes as one is a word that it has; the embedding would take it away."""
    for each in fused(graph, context):
        token = each.expert.trigger
        if each.expert.kind is not Kind.EMBEDDING or not token:
            continue
        count = context.experts.tokens(each.base, (), token)
        if count is not None and count.used == 1:
            spot = each.spot
            yield errors.adapters.TokenInVocabulary(
                spot.span, each.expert.id, token, each.base.id, each.base_span, spot.trail
            )
