"""M422: experts that do not go with each other are not fused."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.rules.fused import fused
from mosaic.compiler.rules.place import place


def exclusions(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Either of the two may say so; a base counts as well."""
    for each in fused(graph, context):
        others = [(each.base, each.base_span), *((node.expert, span) for node, span in each.before())]
        for other, span in others:
            if other.id not in each.expert.excludes and each.expert.id not in other.excludes:
                continue
            spot = each.spot
            says = each.expert.id if other.id in each.expert.excludes else other.id
            yield errors.usage.ExpertsExclude(
                spot.span, each.expert.id, other.id, says, span or place(each.fusion, 0).span, spot.trail
            )
