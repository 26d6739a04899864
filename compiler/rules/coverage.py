"""M402, M411, M412: every tensor of an expert finds its place in the base, or is left out because the plan says so."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.facts import Coverage
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.rules.algorithms import is_taken
from mosaic.compiler.rules.fused import Fused, fused, suggest
from mosaic.compiler.rules.ranks import beyond
from mosaic.compiler.rules.text_encoders import lacking
from mosaic.compiler.rules.variants import differs


def coverage(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Partly loaded experts are what the field's users complain of most; here they do not compile by accident."""
    for each in fused(graph, context):
        if _said_otherwise(each):
            continue
        found = context.experts.coverage(each.base, each.expert)
        yield from beyond(each, found, context)
        if not found.complete:
            yield _judged(each, found, context)


def _said_otherwise(each: Fused) -> bool:
    """Whether tensors without a place follow from a mistake that another rule names."""
    family, base = each.expert.family, each.base.family
    if each.whole:
        return True  # a model of its own has a place for all that it has
    other_family = family is not None and base is not None and family != base
    return other_family or not is_taken(each) or differs(each) or bool(lacking(each))


def _judged(each: Fused, found: Coverage, context: Context) -> Diagnostic:
    kind, spot = each.expert.kind.value, each.spot
    if each.partial and found.matched:
        return errors.adapters.PartlyLoaded(
            spot.span,
            kind,
            each.expert.id,
            found.matched,
            found.total,
            found.unmatched,
            found.misshaped,
            spot.trail,
        )
    instead = suggest(context, each)
    return errors.compatibility.IncompleteCoverage(
        spot.span,
        kind,
        each.expert.id,
        found.matched,
        found.total,
        found.unmatched,
        found.misshaped,
        each.base_span,
        spot.trail,
        instead.fitting,
        instead.reference,
    )
