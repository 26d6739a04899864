"""What changes are called, for whoever reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mosaic.compiler.comparing.changes import Aspect, Change, Place, PlanChange, Side, State
from mosaic.compiler.comparing.costs import percent

_OF: Final = {
    Aspect.EXPERT_BYTES: "bytes of {}",
    Aspect.EXPERT_NAME: "name of an expert",
    Aspect.LICENCE: "licence of {}",
    Aspect.TRIGGER: "trigger of {}",
    Aspect.STRENGTH: "strength of {}",
    Aspect.WINDOW: "window of {}",
    Aspect.REGION: "region of {}",
    Aspect.PARTIAL: "{} may load in part",
    Aspect.OPERAND: "{}",
    Aspect.ORDER: "order of the {}",
    Aspect.SETTING: "{}",
    Aspect.VERSION: "version of {}",
    Aspect.BRIDGE: "bridge from {}",
    Aspect.WEIGHT: "weight of {}",
    Aspect.STEP: "{}",
    Aspect.PERMITTED: "{}",
}
"""Titles of aspects that are said of something."""
_PLAIN: Final = {
    Aspect.ORDER: "order of operands",
    Aspect.COMPUTED: "how it is computed",
    Aspect.VERDICT: "what the policy says",
    Aspect.EMIT: "what is emitted",
    Aspect.AMOUNT: "strength",
    Aspect.WARM: "time with models in memory",
    Aspect.COLD: "time with models to be loaded",
    Aspect.MEMORY: "memory at the peak",
    Aspect.EVALUATIONS: "model evaluations",
    Aspect.SHARE_ALIKE: "licence of a merge",
    Aspect.CREDIT: "credit owed",
    Aspect.NOTICE: "text to show",
    Aspect.RESTRICTION: "to be passed on",
}
TEXTS: Final = (Aspect.PROMPT, Aspect.NEGATIVE)
"""Aspects whose values are texts, to be compared word by word."""


def title(change: Change) -> str:
    """What changed: `strength of zoo/neon`, `steps of sample`."""
    if change.of and change.aspect in _OF:
        name = _OF[change.aspect].format(change.of)
    elif change.of:
        name = f"{change.aspect} {change.of}"
    else:
        name = _PLAIN.get(change.aspect, str(change.aspect))
    if change.aspect is Aspect.STEP or not change.at:
        return name
    return f"{name} of {change.at}" if not change.of else f"{name} in {change.at}"


def side(side: Side | None) -> str:
    """How one side is shown; nothing where there is none."""
    return "" if side is None else side.text


def grown(change: Change) -> str:
    """By how much a prediction grew, in brackets; empty for what is no prediction."""
    is_cost = change.aspect in (Aspect.WARM, Aspect.COLD, Aspect.MEMORY, Aspect.EVALUATIONS)
    return percent(change) if is_cost else ""


def reasons(change: Change) -> tuple[str, ...]:
    """Why a side is what it is, where that was chosen or found out: at most one line a side."""
    told = (("before", change.old), ("after", change.new))
    return tuple(f"{word}: {given.reason}" for word, given in told if given is not None and given.reason)


def lines(change: Change, plan: PlanChange) -> str:
    """The lines of both files: `12 → 13`. A line of the plan's own file is a number."""
    own = [name[0] if name is not None else "" for name in (plan.old_name, plan.new_name)]
    shown = [
        _line(given.place, file) if given is not None else ""
        for given, file in zip((change.old, change.new), own, strict=True)
    ]
    if not any(shown):
        return ""
    if change.state is State.CHANGED:
        return " → ".join(each or "?" for each in shown)
    return shown[0] or shown[1]


def _line(place: Place | None, file: str) -> str:
    if place is None:
        return ""
    return str(place.line) if place.file == file else str(place)


def headline(plan: PlanChange, code: Callable[[str], str] = str) -> str:
    """A plan and what became of it; `code` marks what is a name."""
    name, old, new = code(plan.name), plan.old_name, plan.new_name
    if old is not None and new is not None and old[1] != new[1]:
        name = f"{code(old[1])}, now {code(new[1])}"
    match plan.state:
        case State.ADDED | State.REMOVED:
            file = (new or old or ("", ""))[0]
            return f"{name} {plan.state}, in {code(file)}"
        case State.RENAMED if old is not None and new is not None and old[1] == new[1]:
            return f"{name} moved from {code(old[0])} to {code(new[0])}"
        case State.RENAMED:
            return f"{name} renamed, makes the same"
        case State.SAME:
            return f"{name} means the same"
        case _:
            return name
