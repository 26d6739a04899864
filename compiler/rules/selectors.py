"""M425: an operator that changes only some layers changes something of every expert."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.rules.fused import Fused, fused
from mosaic.compiler.rules.place import place
from mosaic.compiler.types import Family, Kind
from mosaic.compiler.weights.layers import Malformed, Selector, parse, short_words

_TRANSFORMERS = (Family.SD3, Family.FLUX)


def selectors(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """An expert whose layers are all left out would be ignored in silence."""
    for each in fused(graph, context):
        operator = context.operators[str(each.fusion.attribute("operator"))]
        if not operator.selector or each.given.type.kind not in (Kind.LORA, Kind.CHECKPOINT):
            continue
        text = str(json.loads(str(each.fusion.attribute("settings")))[operator.selector])
        selector = parse(text)
        if isinstance(selector, Malformed) or _is_foreign(each):
            continue  # said already
        names = context.experts.touches(each.base, each.expert)
        if _selects(selector, names, each):
            continue
        spot = each.spot
        yield errors.selectors.SelectsNothing(
            spot.span,
            operator.selector,
            text,
            each.expert.kind.value,
            each.expert.id,
            short_words(names),
            each.base.family in _TRANSFORMERS and "attn2" in text,
            None if spot.trail else place(each.fusion, len(each.fusion.inputs)).span,
            spot.trail,
        )


def _is_foreign(each: Fused) -> bool:
    family, base = each.expert.family, each.base.family
    return family is not None and base is not None and family != base


def _selects(selector: Selector, names: Sequence[str], each: Fused) -> bool:
    if names:
        return selector.selects_any(names)
    # Without the headers: what was noted down of the adapter.
    return each.expert.adapter is None or selector.may_select(each.expert.adapter)
