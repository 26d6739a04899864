"""What runs teach of a device: how their times compare with what was computed of them.

Only the user's own, measured profile learns. What was shared or came from the cache tells nothing, and neither does
what takes less than a millisecond.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mosaic.compiler.diagnostic import MosaicError
from mosaic.profiles import learn, user_profile
from mosaic.runtime.origin import Origin

if TYPE_CHECKING:
    from mosaic.compiler.context import Context
    from mosaic.compiler.ir.graph import Graph
    from mosaic.runtime.results import RunResult

_LEAST: Final = 1e-3
"""Seconds below which a time says more about the clock than about the device."""


@dataclass(frozen=True)
class Expected:
    """What is computed of one instruction, without corrections: its seconds of work and of loading."""

    op: str
    seconds: float
    load: float

    def ratio(self, taken: float) -> float | None:
        """What it took as a multiple of what was computed; None where nothing can be told by it."""
        if self.op == "load_model":
            # What took next to nothing was in memory.
            computed = self.load if taken > 0.1 * self.load else 0.0
        else:
            # An adapter is read at each fusion.
            computed = self.seconds + self.load
        return taken / computed if min(computed, taken) > _LEAST else None


def expected(graph: Graph, context: Context) -> tuple[Expected, ...]:
    """What is computed of a graph's instructions, in their order; nothing without a measured profile of a device."""
    profile = context.profile
    if profile is None or profile.is_estimate:
        return ()
    from mosaic.compiler.cost.predict import price

    prediction = price(graph, context, profile.with_refined({}))
    return tuple(Expected(priced.op, priced.seconds, priced.load) for priced in prediction.in_order)


def ratios(wanted: Sequence[Expected], result: RunResult) -> Mapping[str, list[float]]:
    """How the times of a run compare, by operation."""
    found: dict[str, list[float]] = {}
    if len(wanted) != len(result.timings):
        return found
    for each, timing in zip(wanted, result.timings, strict=True):
        ratio = each.ratio(timing.seconds) if timing.source is Origin.COMPUTED else None
        if ratio is not None:
            found.setdefault(each.op, []).append(ratio)
    return found


def note(context: Context, runs: Iterable[tuple[Sequence[Expected], RunResult]]) -> None:
    """Let the user's own profile learn from runs on the device that it was measured on. What cannot be written is not
    learned: a run that is over has succeeded."""
    profile, path = context.profile, user_profile()
    if profile is None or profile.is_estimate or not path.exists():
        return
    found: dict[str, list[float]] = {}
    for wanted, result in runs:
        if (result.device, result.dtype) == (profile.device, profile.dtype):
            for op, given in ratios(wanted, result).items():
                found.setdefault(op, []).extend(given)
    if found:
        try:
            learn(path, found)
        except MosaicError:
            return
