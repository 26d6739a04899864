"""What a plan is predicted to cost, as people read it and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mosaic.cli.alternatives import WORDS, fidelity
from mosaic.compiler.budgeting import duration, memory
from mosaic.compiler.cost.budget import Budget
from mosaic.compiler.cost.predict import Priced
from mosaic.compiler.cost.profile import Profile
from mosaic.compiler.decide import Alternative, Decision
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.passes.choose_operators import Choice
from mosaic.compiler.passes.choose_steps import Taken

if TYPE_CHECKING:
    from mosaic.api.kept import Known


def summary(
    decision: Decision, profile: Profile, budget: Budget | None, known: Known | None = None
) -> Iterator[str]:
    """The device, what the plan takes on it, also now with what is cached, and what the budget allows."""
    chosen = decision.chosen
    assert chosen is not None, "a plan over its budget is refused"
    took = chosen.prediction
    yield f"on {profile.name} ({profile.device}, {profile.dtype}{', an estimate' if profile.is_estimate else ''})"
    yield (
        f"{duration(took.warm)} warm (models in memory), {duration(took.cold)} cold (to be loaded first), "
        f"{memory(took.peak)} at the peak, {_count(took.evaluations, 'model evaluation')}"
    )
    now = _now(chosen, known)
    if now is not None:
        evaluations = _count(now.evaluations, "model evaluation")
        yield f"{duration(now.seconds)} now, taking from the cache what is there, {evaluations}"
    if took.unknown:
        yield f"without the work of {', '.join(took.unknown)}: {' and '.join(took.reasons)}"
    if budget is not None:
        yield f"budget: {', '.join(_limits(budget, chosen))}"


@dataclass(frozen=True)
class _Now:
    """What a run takes now: seconds with nothing in memory (median, 90th percentile), calls of denoisers."""

    seconds: float
    high: float
    evaluations: int


def _now(chosen: Alternative, known: Known | None) -> _Now | None:
    """None where nothing of it is cached, or nobody knows."""
    if known is None or not known.marks():
        return None
    left = [
        priced
        for priced, computed in zip(chosen.prediction.in_order, known.is_computed, strict=True)
        if computed
    ]
    return _Now(
        sum(priced.seconds + priced.load for priced in left),
        sum(priced.high + priced.load_high for priced in left),
        sum(priced.evaluations for priced in left),
    )


def _limits(budget: Budget, chosen: Alternative) -> Iterator[str]:
    for key, spell in (("latency", duration), ("cold_latency", duration), ("memory", memory)):
        limit = getattr(budget, key)
        if limit is not None:
            yield f"{WORDS[key]} {spell(getattr(chosen.need, key))} of {spell(limit)}"
    if budget.quality is not None and chosen.quality is not None:
        yield f"quality {chosen.quality:.0%} of at least {budget.quality:.0%}"


def range_taken(taken: Taken) -> str:
    """What a range of steps stands for: `24 of 12..30 steps: the most that keeps the latency of 2s`."""
    return f"{taken.number} of {taken.steps} steps: {taken.reason}"


def ranges_as_json(steps: Iterable[Taken]) -> list[dict[str, Any]]:
    """The same, as docs/json.md describes it."""
    return [
        {
            "low": taken.steps.low,
            "high": taken.steps.high,
            "taken": taken.number,
            "reason": taken.reason,
        }
        for taken in steps
    ]


def steps(graph: Graph, decision: Decision) -> list[str]:
    """What each instruction of the program takes, in order: seconds, loading, evaluations."""
    assert decision.chosen is not None
    nodes = decision.chosen.prediction.nodes
    return [_step(nodes[node.digest]) for node in graph.nodes() if node.digest in nodes]


def _step(priced: Priced) -> str:
    parts = []
    if priced.seconds >= 0.0005:
        parts.append(duration(priced.seconds))
    if priced.load >= 0.0005:
        parts.append(f"{duration(priced.load)} to load")
    if priced.evaluations:
        rows = f" of {priced.rows / priced.evaluations:g} rows"
        parts.append(f"{_count(priced.evaluations, 'evaluation')}{rows}")
    return ", ".join(parts)


def as_json(
    decision: Decision | None,
    profile: Profile | None,
    choices: Sequence[Choice],
    known: Known | None = None,
) -> dict[str, Any] | None:
    """The shape that docs/json.md describes; None where nothing was predicted."""
    if decision is None or profile is None or decision.chosen is None:
        return None
    return {
        "device": {
            "name": profile.name,
            "class": profile.device,
            "dtype": profile.dtype,
            "estimate": profile.is_estimate,
        },
        **_numbers(decision.chosen, choices),
        "now": _now_as_json(_now(decision.chosen, known)),
        "unknown": list(decision.chosen.prediction.unknown),
        "alternatives": [
            {"operators": list(each.operators), **_numbers(each, choices), "beyond": list(each.beyond)}
            for each in decision.priced
            if each is not decision.chosen
        ],
    }


def _numbers(each: Alternative, choices: Sequence[Choice]) -> dict[str, Any]:
    took, share = each.prediction, fidelity(each, choices)
    return {
        "steps": list(each.steps),
        "quality": None if share is None else round(share, 4),
        "warm": _seconds(took.warm, took.warm_high),
        "cold": _seconds(took.cold, took.cold_high),
        "peak": took.peak,
        "evaluations": took.evaluations,
    }


def _now_as_json(now: _Now | None) -> dict[str, float] | None:
    if now is None:
        return None
    return {**_seconds(now.seconds, now.high), "evaluations": now.evaluations}


def _seconds(median: float, high: float) -> dict[str, float]:
    return {"p50": round(median, 4), "p90": round(high, 4)}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
