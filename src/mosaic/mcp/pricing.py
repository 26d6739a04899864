"""What plans are predicted to cost, and whether a client has acknowledged it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from mosaic.compiler.cost.predict import price
from mosaic.mcp.bounds import Places
from mosaic.mcp.values import Acknowledgement, Cost, Seconds
from mosaic.profiles import load_profile
from mosaic.stdlib import find_profiles

if TYPE_CHECKING:
    from mosaic.compiler.context import Context
    from mosaic.compiler.ir.graph import Graph

GROWTH: Final = 1.25
"""A price that has grown by more than this factor was not acknowledged."""
_ANY: Final = "cpu-8"
"""A shipped profile to count evaluations by where no device is known: they are the same on all."""


def cost_of(graph: Graph, context: Context, places: Places) -> Cost:
    """The price of a core graph on the context's device; without one the evaluations alone."""
    profile = context.profile
    told = price(graph, context, profile or load_profile(find_profiles()[_ANY]))
    if profile is None:
        return Cost(
            device=None,
            measured=False,
            warm=None,
            cold=None,
            peak_bytes=None,
            evaluations=told.evaluations,
            unknown=list(told.unknown),
        )
    return Cost(
        device=places.hidden(profile.name),
        measured=not profile.is_estimate,
        warm=Seconds(p50=round(told.warm, 4), p90=round(told.warm_high, 4)),
        cold=Seconds(p50=round(told.cold, 4), p90=round(told.cold_high, 4)),
        peak_bytes=told.peak,
        evaluations=told.evaluations,
        unknown=list(told.unknown),
    )


def acknowledgement(digests: Sequence[str], costs: Sequence[Cost]) -> Acknowledgement:
    """The price of all programs of a text, to be sent back."""
    seconds = [cost.cold.p90 for cost in costs if cost.cold is not None]
    return Acknowledgement(
        programs=list(digests),
        device=next((cost.device for cost in costs), None),
        measured=all(cost.measured for cost in costs),
        seconds=round(sum(seconds), 4) if seconds else None,
        evaluations=sum(cost.evaluations or 0 for cost in costs),
    )


def refusal(given: Acknowledgement | None, now: Acknowledgement) -> str:
    """Why an acknowledgement does not cover a price; empty where it does."""
    if given is None:
        return "the cost is not acknowledged: look at `acknowledgement`, and send it back if you want to spend that"
    if given.programs != now.programs:
        return (
            "what was acknowledged is another program: the plan, its parameters or the catalog have changed"
        )
    if given.device != now.device:
        return "what was acknowledged is the price on another device than this server's"
    for was, became, what in (
        (given.seconds, now.seconds, "seconds"),
        (given.evaluations, now.evaluations, "evaluations"),
    ):
        if became is not None and (was is None or became > was * GROWTH):
            before = "nothing" if was is None else f"{was:g}"
            return f"the price has grown: {became:g} {what} now, and {before} was acknowledged"
    return ""
