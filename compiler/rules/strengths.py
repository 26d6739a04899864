"""M421: an expert is used at a strength that it is known to work at."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic, Edit
from mosaic.compiler.ir.evaluate import INFIXES
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.rules.fused import Fused, fused, strength
from mosaic.compiler.rules.place import Place, place
from mosaic.compiler.types import Kind


def strengths(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Strengths multiply where several are written; without one it is 1. Zero leaves the expert out, which is fine."""
    for each in fused(graph, context):
        known, given = each.expert.strengths, strength(each.given)
        if known is None or not given or not each.is_expert:
            continue
        if each.expert.kind not in (Kind.LORA, Kind.CHECKPOINT):
            continue
        low, high = known
        if low <= given <= high:
            continue
        nearest = low if given < low else high
        spot = _spot(each)
        yield errors.usage.StrengthOutsideRange(
            spot.span, each.expert.id, given, low, high, _edit(each, spot, nearest), spot.trail
        )


def _spot(each: Fused) -> Place:
    """The strength as it is written, or the whole operand where there is none or more than one."""
    written = _written(each)
    return place(each.given, 1) if written == 1 and each.given.op == "strength" else each.spot


def _written(each: Fused) -> int:
    count, given = 0, each.given
    while given.op in INFIXES:
        count += given.op == "strength"
        given = given.inputs[0]
    return count


def _edit(each: Fused, spot: Place, nearest: float) -> Edit | None:
    """How the nearest known strength is written, where that is one change in the plan itself."""
    if spot.span is None or spot.trail:
        return None
    if _written(each) == 0:
        return Edit(spot.span.after(), f" * {nearest:g}")
    is_number = spot.span.text.lstrip("-")[:1].isdigit()
    return Edit(spot.span, f"{nearest:g}") if _written(each) == 1 and is_number else None
