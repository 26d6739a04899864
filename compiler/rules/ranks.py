"""M411: no factor of an adapter is larger than the matrix that it changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.facts import Coverage
from mosaic.compiler.rules.fused import Fused, suggest
from mosaic.compiler.types import Family

WIDEST: Final[Mapping[str, int]] = MappingProxyType(
    {
        Family.SD1: 1280,
        Family.SD2: 1280,
        Family.SDXL: 1280,
        Family.SDXL_REFINER: 1536,
        Family.SD3: 4096,
        Family.FLUX: 4096,
    }
)
"""The largest smaller side of any matrix of a family, text encoders included: no delta can have a larger rank."""


def beyond(each: Fused, found: Coverage, context: Context) -> Iterator[Diagnostic]:
    """Ranks that cannot be: of one module against its own matrix, else of the adapter against its whole family."""
    adapter = each.expert.adapter
    if found.excessive:
        yield _said(each, found.excessive, context)
        return
    widest = WIDEST.get(each.base.family or "")
    if adapter is None or adapter.ranks is None or widest is None or adapter.ranks[1] <= widest:
        return
    told = f"rank {adapter.ranks[1]}, where no matrix of {each.base.family} has more than {widest}"
    yield _said(each, (told,), context)


def _said(each: Fused, modules: tuple[str, ...], context: Context) -> Diagnostic:
    spot, instead = each.spot, suggest(context, each)
    return errors.adapters.RankBeyondLimits(
        spot.span, each.expert.id, modules, spot.trail, instead.fitting, instead.reference
    )
