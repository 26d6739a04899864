"""What follows for whoever pays: seconds, memory and evaluations as they are predicted."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler.budgeting import duration, memory
from mosaic.compiler.comparing.changes import Aspect, Change, Side
from mosaic.compiler.comparing.meaning import Version


def costs(old: Version, new: Version) -> Iterator[Change]:
    """Between two predictions; nothing where one is missing: no profile, or a program that came compiled."""
    if old.cost is None or new.cost is None:
        return
    for aspect, name, spell in (
        (Aspect.WARM, "warm", duration),
        (Aspect.COLD, "cold", duration),
        (Aspect.MEMORY, "peak", memory),
        (Aspect.EVALUATIONS, "evaluations", lambda count: f"{count:g}"),
    ):
        was, now = getattr(old.cost, name), getattr(new.cost, name)
        if was != now:
            yield Change(aspect, Side(was, spell(was)), Side(now, spell(now)))


def percent(change: Change) -> str:
    """By how much a number grew or fell: `+25%`; empty where there is nothing to compare with."""
    was, now = (side.value if side is not None else None for side in (change.old, change.new))
    if not isinstance(was, (int, float)) or not isinstance(now, (int, float)) or not was:
        return ""
    return f"{(now - was) / was:+.0%}"
