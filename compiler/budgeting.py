"""Holding a plan to its budget: which operators and how many steps it gets, and what is said where nothing keeps it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log10
from typing import TYPE_CHECKING, Final

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.cost.budget import Budget
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.passes.choose_operators import AS_LOCKED, Choice
from mosaic.compiler.passes.choose_steps import HIGH, Taken, at, open_steps

if TYPE_CHECKING:
    from mosaic.compiler.decide import Alternative, Decision, Finish


@dataclass(frozen=True)
class Held:
    """What came of a budget: the operators to take ("" or nothing: those chosen without it), what is to be said, the
    decision for people to see (None where nothing was priced), and a number for each range of steps."""

    picked: tuple[str, ...] = ()
    told: tuple[Diagnostic, ...] = ()
    decision: Decision | None = None
    steps: tuple[Taken, ...] = ()


def hold(
    graph: Graph, choices: Sequence[Choice], context: Context, finish: Finish, *, every: int = 0
) -> Held:
    """Choose under a graph's budget. Without one, and with `every` above zero, what would be chosen is priced with as
    many alternatives."""
    budget = graph.budget
    if context.profile is None:
        advice = "run `mosaic calibrate` once, or name a device: `--device FILE`"
        told = _without_prices(budget, choices, "nobody measured this device", advice)
        return Held(told=told, steps=_most(graph, context))
    if budget is None and not every:
        return Held(steps=_most(graph, context))
    from mosaic.compiler.decide import decide

    decision = decide(graph, choices, context, finish, every=every)
    unknown = tuple(dict.fromkeys(told for each in decision.priced for told in each.prediction.reasons))
    if unknown and budget is not None and budget.limits_cost:
        return Held(
            told=_without_prices(budget, choices, " and ".join(unknown), ""), steps=_most(graph, context)
        )
    if decision.chosen is None:
        told = tuple(_refusals(budget or Budget(), decision, choices, context))
        return Held((), told, decision, _most(graph, context))
    steps = _taken(graph, context, decision.chosen.steps, _why(budget or Budget(), decision))
    return Held(decision.chosen.operators, _unmeasured(budget, choices), decision, steps)


_ASKED: Final = "nothing asks for fewer"


def _most(graph: Graph, context: Context) -> tuple[Taken, ...]:
    """The most steps of all ranges, where nothing is priced."""
    is_limited = graph.budget is not None and graph.budget.limits_cost
    numbers = tuple(at(open_steps(graph), HIGH, context.pins).values())
    return _taken(graph, context, numbers, "the budget is not judged" if is_limited else _ASKED)


def _taken(graph: Graph, context: Context, numbers: Sequence[int], reason: str) -> tuple[Taken, ...]:
    held = context.pins.steps
    return tuple(
        Taken(steps, number, AS_LOCKED if (steps.low, steps.high) in held else reason)
        for steps, number in zip(open_steps(graph), numbers, strict=True)
    )


def _why(budget: Budget, decision: Decision) -> str:
    """Why ranges of steps stand for no more."""
    limits = (
        f"the {key.replace('_', ' ')} of {_spell(key)(getattr(budget, key))}" for key in decision.further
    )
    return f"the most that keeps {' and '.join(limits)}" if decision.further else _ASKED


def _without_prices(
    budget: Budget | None, choices: Sequence[Choice], reason: str, advice: str
) -> tuple[Diagnostic, ...]:
    """What can be said of a budget where nothing is priced: all of its quality, nothing of its costs."""
    if budget is None:
        return ()
    told: list[Diagnostic] = list(_unmeasured(budget, choices))
    limit = next((key for key, _ in budget.said if key != "quality"), None)
    if limit is not None:
        told.append(errors.plans.BudgetNotJudged(budget.place(limit), reason, advice))
    quality = 1.0
    for choice in choices:
        if choice.best > 0 and choice.share >= 0:
            quality *= choice.share / choice.best
    if budget.quality is not None and quality < budget.quality - 1e-9:
        told.append(_too_poor(budget, quality, tuple(choice.operator for choice in choices)))
    return tuple(told)


def _unmeasured(budget: Budget | None, choices: Sequence[Choice]) -> tuple[Diagnostic, ...]:
    """A quality is asked for, and nothing was measured of what the plan fuses."""
    unknown = [choice for choice in choices if len(choice.operands) > 1 and choice.share < 0]
    if budget is None or budget.quality is None or not unknown:
        return ()
    what = f"nothing was measured of {' + '.join(unknown[0].operands)} by {unknown[0].operator}"
    return (errors.plans.BudgetNotJudged(budget.place("quality"), what),)


def _refusals(
    budget: Budget, decision: Decision, choices: Sequence[Choice], context: Context
) -> list[Diagnostic]:
    nearest = decision.nearest(budget)
    assert context.profile is not None
    found: list[Diagnostic] = []
    for key in nearest.beyond:
        if key == "quality":
            found.append(_too_poor(budget, nearest.quality or 0.0, nearest.operators, nearest.steps))
            continue
        limit, needed = getattr(budget, key), getattr(nearest.need, key)
        spell = _spell(key)
        estimated = " (an estimate, not measured)" if context.profile.is_estimate else ""
        wants = (
            () if decision.is_complete else (f"of more combinations, {len(decision.priced)} were looked at",)
        )
        if context.pins.steps or any(choice.reason == AS_LOCKED for choice in choices):
            wants = (
                *wants,
                f"`{context.pins.place}` holds what was chosen before: `mosaic lock` chooses anew",
            )
        found.append(
            errors.plans.OverBudget(
                budget.place(key),
                key,
                limit=spell(limit),
                needed=spell(needed, up=True),
                device=f"{context.profile.name}{estimated}",
                way=_way(nearest),
                replacement=spell(needed, up=True),
                wants=wants,
            )
        )
    return found


def _too_poor(
    budget: Budget, quality: float, operators: Sequence[str], steps: Sequence[int] = ()
) -> Diagnostic:
    return errors.plans.QualityUnmet(
        budget.place("quality"),
        limit=f"{budget.quality:.0%}",
        best=f"{quality:.0%}",
        way=f"by {', '.join(dict.fromkeys(operators))}{_with(steps)}",
        replacement=f"{int(100 * quality)}%",
    )


def _way(each: Alternative) -> str:
    operators, steps = ", ".join(dict.fromkeys(each.operators)), _with(each.steps)
    if operators:
        return f"the cheapest way is by {operators}{steps}"
    return f"the cheapest way is{steps}" if steps else "there is no other way to make it"


def _with(steps: Sequence[int]) -> str:
    """The numbers of steps that ranges stand for, the fewest where it says what would do.

    >>> _with((12, 4))
    ' with 12 and 4 steps'
    """
    return f" with {' and '.join(map(str, dict.fromkeys(steps)))} steps" if steps else ""


def _spell(key: str) -> Callable[..., str]:
    return memory if key == "memory" else duration


def duration(seconds: float, up: bool = False) -> str:
    """Seconds as a plan writes them, with at least two digits that count.

    >>> duration(0.1234), duration(2.04, up=True), duration(75)
    ('123ms', '2.1s', '75s')
    """
    if seconds < 1:
        return f"{_two(seconds * 1000, up):g}ms"
    return f"{_two(seconds, up):g}s"


def memory(size: float, up: bool = False) -> str:
    """Bytes as a plan writes them, with at least two digits that count.

    >>> memory(5 * 2**20), memory(8.01 * 2**30, up=True)
    ('5MiB', '8.1GiB')
    """
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1000 or unit == "GiB":
            return f"{_two(size, up):g}{unit}"
    raise AssertionError


def _two(number: float, up: bool) -> float:
    if number <= 0:
        return 0.0
    digits = 1 - int(log10(number)) if number >= 1 else 2
    scale = 10.0 ** max(digits, 0)
    return (ceil(number * scale - 1e-9) if up else round(number * scale)) / scale
