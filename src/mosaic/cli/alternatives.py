"""What else could have been chosen for a plan, with what it would cost and why it was not taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mosaic.compiler.budgeting import duration, memory
from mosaic.compiler.decide import Alternative, Decision
from mosaic.compiler.passes.choose_operators import Choice

WORDS: Final = {
    "latency": "latency",
    "cold_latency": "cold latency",
    "memory": "memory",
    "quality": "quality",
}
"""What limits of a budget are called."""


def alternatives(decision: Decision, choices: Sequence[Choice]) -> list[tuple[str, ...]]:
    """What else was priced: operators, numbers for ranges of steps, fidelity as a share of the best, seconds warm and
    cold, memory, and why it was not taken. Nothing where no fusion has anything to blend."""
    if len(decision.priced) < 2 or not any(choice.operands for choice in choices):
        return []
    has_ranges = bool(decision.priced[0].steps)
    known = [fidelity(each, choices) for each in decision.priced]
    is_measured = any(share is not None for share in known)
    rows: list[tuple[str, ...]] = [
        (
            "operators",
            *(("steps",) if has_ranges else ()),
            *(("of the best",) if is_measured else ()),
            "warm",
            "cold",
            "peak",
            "",
        )
    ]
    for each, share in zip(decision.priced, known, strict=True):
        took = each.prediction
        told = "not measured" if share is None else f"{share:.0%}"
        rows.append(
            (
                ", ".join(each.operators) or "none",
                *((", ".join(map(str, each.steps)),) if has_ranges else ()),
                *((told,) if is_measured else ()),
                duration(took.warm),
                duration(took.cold),
                memory(took.peak),
                _verdict(each, decision, share),
            )
        )
    return rows


def fidelity(each: Alternative, choices: Sequence[Choice]) -> float | None:
    """The share of pictures that operators are expected to get right, over that of the best ones. None where it was not
    measured: of some fusion not with this operator, or of no fusion at all."""
    if all(choice.best <= 0 for choice in choices):
        return None
    for operator, choice in zip(each.operators, choices, strict=True):
        shares = {candidate.operator.name: candidate.share for candidate in choice.candidates}
        if shares.get(operator, -1.0) < 0 and (choice.best > 0 or operator != choice.operator):
            return None
    return each.quality


def _verdict(each: Alternative, decision: Decision, share: float | None) -> str:
    if each is decision.chosen:
        return "taken"
    if each.beyond:
        return f"over the {' and the '.join(WORDS[key] for key in each.beyond)}"
    return "fits, less often right" if share is not None else "fits, not known to be better"
