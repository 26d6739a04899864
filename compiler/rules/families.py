"""M401: experts are fused into a base of their own family."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.rules.fused import fused, suggest


def families(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """An expert of another known family has no place in the base. An unknown one is left to `coverage`."""
    for each in fused(graph, context):
        family, base = each.expert.family, each.base.family
        if base is None or family is None or base == family or each.whole:
            continue
        instead, spot = suggest(context, each), each.spot
        yield errors.compatibility.FamilyMismatch(
            spot.span,
            each.expert.kind.value,
            each.node.name,
            family,
            base,
            each.base_span,
            spot.trail,
            instead.fitting,
            instead.reference,
        )
