"""M423: a LoRA is fused into a base of the training family that it was made for."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.rules.fused import fused, suggest
from mosaic.compiler.types import Kind


def lineages(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Its tensors fit any base of the architecture; what it learned does not."""
    for each in fused(graph, context):
        ours, theirs = each.expert.lineage.casefold(), each.base.lineage.casefold()
        if each.expert.kind is not Kind.LORA or not ours or not theirs or ours == theirs:
            continue
        if each.expert.family and each.base.family and each.expert.family != each.base.family:
            continue  # said by `families`
        instead, spot = suggest(context, each), each.spot
        yield errors.usage.LineageMismatch(
            spot.span,
            each.expert.id,
            each.expert.lineage,
            each.base.lineage,
            each.base_span,
            spot.trail,
            instead.fitting,
            instead.reference,
        )
