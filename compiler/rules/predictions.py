"""M403: weights that are added belong to denoisers that predict the same thing."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.rules.fused import fused, suggest


def predictions(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """A sum of an epsilon and a v denoiser's weights means nothing."""
    for each in fused(graph, context):
        wanted, prediction = each.base.prediction, each.given.type.prediction
        if wanted is None or prediction is None or wanted == prediction or each.whole or not each.accepted:
            continue
        if None not in (each.expert.family, each.base.family) and each.expert.family != each.base.family:
            continue  # said by `families`
        instead, spot = suggest(context, each), each.spot
        yield errors.compatibility.PredictionMismatch(
            spot.span,
            each.node.name,
            prediction,
            wanted,
            each.base_span,
            spot.trail,
            instead.fitting,
            instead.reference,
        )
