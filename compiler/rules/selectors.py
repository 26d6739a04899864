"""M425: an operator that changes only some layers changes something of every operand."""

from __future__ import annotations

import json
from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.ir.models import MODELS, parted, title
from mosaic.compiler.ir.touched import Touching, selector_of
from mosaic.compiler.rules.fused import Fused, fused
from mosaic.compiler.rules.place import place
from mosaic.compiler.types import Family, Kind
from mosaic.compiler.weights.layers import Selector, short_words

_TRANSFORMERS = (Family.SD3, Family.FLUX)


def selectors(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """An operand whose layers are all left out would be ignored in silence."""
    touching = Touching(context)
    for each in fused(graph, context):
        if each.given.type.kind not in (Kind.LORA, *MODELS):
            continue
        selector = selector_of(each.fusion, context)
        if not isinstance(selector, Selector) or _is_foreign(each) or parted(each.given, context.operators):
            continue  # takes all, or said already
        changes = touching.of(each.given, each.base)
        if changes.within(selector):
            continue
        setting, spot = each.operator.selector, each.spot
        text = str(json.loads(str(each.fusion.attribute("settings")))[setting])
        yield errors.selectors.SelectsNothing(
            spot.span,
            setting,
            text,
            each.given.type.kind.value,
            title(each.given),
            short_words(sorted(changes.names)),
            each.base.family in _TRANSFORMERS and "attn2" in text,
            None if spot.trail else place(each.fusion, len(each.fusion.inputs)).span,
            spot.trail,
            not changes,
        )


def _is_foreign(each: Fused) -> bool:
    family, base = each.expert.family, each.base.family
    return family is not None and base is not None and family != base
