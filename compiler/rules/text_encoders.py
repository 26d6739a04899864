"""M416: an adapter changes only text encoders that the base has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.rules.fused import Fused, fused, suggest
from mosaic.compiler.types import Family

_HAS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        Family.SD1: ("text_encoder",),
        Family.SD2: ("text_encoder",),
        Family.SDXL: ("text_encoder", "text_encoder_2"),
        Family.SDXL_REFINER: ("text_encoder_2",),
        Family.SD3: ("text_encoder", "text_encoder_2", "text_encoder_3"),
        Family.FLUX: ("text_encoder", "text_encoder_2"),
    }
)


def text_encoders(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """A part that changes nothing is not dropped in silence."""
    for each in fused(graph, context):
        parts = lacking(each)
        if parts and not each.partial:
            spot, instead = each.spot, suggest(context, each)
            yield errors.adapters.TextEncoderMissing(
                spot.span,
                each.expert.kind.value,
                each.expert.id,
                parts,
                each.base_span,
                spot.trail,
                instead.fitting,
                instead.reference,
            )


def lacking(each: Fused) -> tuple[str, ...]:
    """The text encoders that an adapter changes and the base does not have; none where it may be loaded in part."""
    has = _HAS.get(each.base.family or "")
    adapter, family = each.expert.adapter, each.expert.family
    if adapter is None or has is None or each.partial or family not in (None, each.base.family):
        return ()
    if any("text encoder" in part for part in each.base.lacks):
        has = ()
    return tuple(part for part in adapter.parts if part.startswith("text_encoder") and part not in has)
