"""M417: experts that are fused were trained on the same layer of the text encoder."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.rules.fused import fused


def clip_skips(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Each operand is compared with the base and with what was fused before it; what is not known agrees with all."""
    for each in fused(graph, context):
        mine = each.expert.clip_skip
        if mine is None:
            continue
        others = [(each.base, each.base_span), *((node.expert, span) for node, span in each.before())]
        for other, span in others:
            if other.clip_skip is None or other.clip_skip == mine:
                continue
            spot = each.spot
            yield errors.usage.ClipSkipDisagreement(
                spot.span, each.expert.id, mine, other.id, other.clip_skip, span, spot.trail
            )
            break
