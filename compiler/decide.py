"""Choosing operators and steps under a budget: the highest measured fidelity that is predicted to keep every limit,
then the most steps.

All fusions of a plan are chosen together. Assignments of operators are priced in the order of their fidelity, so the
first that keeps the budget is the best that does. Where there are more assignments than can be priced, only the best of
operators that cost about the same are tried, and a search that ends without an answer says that it is not complete.
What operators bring was measured, what steps bring was not: so operators are chosen with the fewest steps that the
plan's ranges allow, and with these operators all ranges are raised together, as far as the budget is kept.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import exp, log, prod
from typing import TYPE_CHECKING, Final

from mosaic.compiler.context import Context
from mosaic.compiler.cost.budget import Budget
from mosaic.compiler.ir.graph import Graph, walk
from mosaic.compiler.ir.ops import EFFECTS
from mosaic.compiler.passes.choose_operators import Candidate, Choice, settle
from mosaic.compiler.passes.choose_steps import HIGH, LOW, Numbers, Steps, at, open_steps, parts, take
from mosaic.compiler.rules.half_done import half_done

if TYPE_CHECKING:
    from mosaic.compiler.cost.predict import Prediction
    from mosaic.compiler.cost.profile import Profile

MOST_PRICED: Final = 200
"""How many assignments are priced before the search gives up and says so."""
_UNKNOWN: Final = 1e-3
"""What counts as the fidelity of what was not measured, relative to the one before it (an order, not a number), and as
that of what was never right."""

Finish = Callable[[Graph], Graph]
"""From a graph with operators to the core graph that is priced."""


@dataclass(frozen=True)
class Need:
    """What an assignment is predicted to take: seconds of the slowest emit (90th percentile), bytes at the peak."""

    latency: float
    cold_latency: float
    memory: float

    def beyond(self, budget: Budget) -> tuple[str, ...]:
        """The limits that it does not keep."""
        pairs = (
            (key, getattr(budget, key), getattr(self, key)) for key in ("latency", "cold_latency", "memory")
        )
        return tuple(key for key, limit, needed in pairs if limit is not None and needed > limit)


@dataclass(frozen=True)
class Alternative:
    """Operators for all fusions and numbers for all ranges of steps, in order; the operators' fidelity as a share of
    the best ones' (None: not measured), and what they need. `beyond` are the limits that are not kept: none for what
    was chosen."""

    operators: tuple[str, ...]
    quality: float | None
    need: Need
    prediction: Prediction = field(repr=False)
    beyond: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()


@dataclass(frozen=True)
class Decision:
    """What was chosen (None: nothing keeps the budget), what else was priced, in the order of fidelity, and whether
    all that could be chosen was looked at. `further` are the limits that one more step would not keep. What was not
    chosen is priced with the fewest steps where the budget limits costs, else with the most."""

    chosen: Alternative | None
    priced: tuple[Alternative, ...]
    is_complete: bool
    further: tuple[str, ...] = ()

    def nearest(self, budget: Budget) -> Alternative:
        """Of what does not keep the budget, the one that needs to be allowed the least."""
        return min(self.priced, key=lambda each: _excess(each, budget))


def decide(
    graph: Graph, choices: Sequence[Choice], context: Context, finish: Finish, *, every: int = 0
) -> Decision:
    """The best assignment that keeps the graph's budget. `every` prices so many beside it, for people to see.

    `choices` are those that `settle` took without a budget; the context has a profile.
    """
    profile = context.profile
    assert profile is not None
    budget = graph.budget or Budget()
    open_: list[Sequence[Candidate]] = [choice.candidates for choice in choices]
    is_whole = prod(map(len, open_)) <= MOST_PRICED
    if not is_whole:
        open_ = [_distinct(found) for found in open_]
    priced: list[Alternative] = []
    chosen: Alternative | None = None
    taken: Graph | None = None
    complete = is_whole
    measured = all(choice.best <= 0 or choice.share >= 0 for choice in choices)
    ranges = open_steps(graph)
    pricing = _Pricing(context, finish, profile, budget, measured)
    fewest = at(ranges, LOW if budget.limits_cost else HIGH, context.pins)
    ranked = _assignments(open_, [choice.best for choice in choices])
    for tried, (ranks, quality) in enumerate(ranked):
        if tried >= MOST_PRICED or (chosen is not None and len(priced) > every):
            complete = complete and chosen is not None
            break
        names = tuple(found[rank].operator.name for found, rank in zip(open_, ranks, strict=True))
        settled, made = settle(graph, context, names)
        if tuple(choice.operator for choice in made) != names:
            continue  # does not fit above what was chosen below
        found = pricing.of(settled, names, quality, fewest)
        priced.append(found)
        if chosen is None and not found.beyond:
            chosen, taken = found, settled
    if chosen is None or taken is None:
        return Decision(None, tuple(priced), complete)
    most, further = _raised(chosen, taken, pricing, ranges) if budget.limits_cost else (chosen, ())
    return Decision(most, tuple(most if each is chosen else each for each in priced), complete, further)


@dataclass(frozen=True)
class _Pricing:
    """What assignments take, and whether that keeps the budget."""

    context: Context
    finish: Finish
    profile: Profile
    budget: Budget
    is_measured: bool

    def of(self, settled: Graph, operators: tuple[str, ...], quality: float, numbers: Numbers) -> Alternative:
        """Operators that a graph has been settled to, with these numbers of steps."""
        from mosaic.compiler.cost.predict import price

        core = self.finish(take(settled, numbers))
        prediction = price(core, self.context, self.profile)
        need = _need(core, prediction)
        beyond = need.beyond(self.budget)
        if self.is_measured and self.budget.quality is not None and quality < self.budget.quality - 1e-9:
            beyond = (*beyond, "quality")
        known = quality if self.is_measured else None
        return Alternative(operators, known, need, prediction, beyond, tuple(numbers.values()))


def _raised(
    fewest: Alternative, settled: Graph, pricing: _Pricing, ranges: Sequence[Steps]
) -> tuple[Alternative, tuple[str, ...]]:
    """The same operators with the most steps that keep the budget, and the limits that one more step would not keep.

    Found by bisection, as prices grow with steps: what comes out was priced and keeps the budget, and of the next
    number it is known that it does not. A number by which some run has no step to take is none to choose.
    """
    context = pricing.context
    notches = parts(ranges, context.pins)
    best = fewest
    further: tuple[str, ...] = ()
    kept, refused = 0, len(notches)
    while kept + 1 < refused:
        # The most first: a budget that is not tight asks for no search.
        tried = refused - 1 if refused == len(notches) else (kept + refused) // 2
        numbers = at(ranges, notches[tried], context.pins)
        if any(half_done(take(settled, numbers), context)):
            refused = tried
            continue
        found = pricing.of(settled, fewest.operators, fewest.quality or 0.0, numbers)
        if found.beyond:
            refused, further = tried, found.beyond
        else:
            kept, best = tried, found
    return best, further


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The best candidates first, without those that cost about what a better one does."""
    kept: dict[tuple[object, ...], Candidate] = {}
    for each in candidates:
        operator = each.operator
        cost = (operator.acts, operator.evaluations, operator.shares_unconditional, operator.effort)
        kept.setdefault(cost, each)
    return list(kept.values())


def _assignments(
    open_: Sequence[Sequence[Candidate]], bests: Sequence[float]
) -> Iterator[tuple[tuple[int, ...], float]]:
    """Ranks of candidates, one a fusion, with their fidelity as a share of the best ones', the highest first."""
    losses = [_losses(found, best) for found, best in zip(open_, bests, strict=True)]
    first = (0,) * len(open_)
    heap, seen = [(sum(found[0] for found in losses), first)], {first}
    while heap:
        loss, ranks = heapq.heappop(heap)
        yield ranks, exp(-loss)
        for place, rank in enumerate(ranks):
            after = (*ranks[:place], rank + 1, *ranks[place + 1 :])
            if rank + 1 < len(losses[place]) and after not in seen:
                seen.add(after)
                total = sum(losses[i][r] for i, r in enumerate(after))
                heapq.heappush(heap, (total, after))


def _losses(candidates: Sequence[Candidate], best: float) -> list[float]:
    """How much fidelity each gives up against the best operator there is, as a logarithm; it never falls along the
    list. What was not measured comes after what was, in order.
    """
    found: list[float] = []
    for each in candidates:
        before = found[-1] if found else 0.0
        if best > 0 and each.share >= 0:
            found.append(max(before, -log(max(each.share, _UNKNOWN) / best)))
        else:
            found.append(before - log(_UNKNOWN) if found else 0.0)
    return found


def _need(core: Graph, prediction: Prediction) -> Need:
    """Of the slowest emit."""
    writes = [node for node in core.nodes() if node.op in EFFECTS]
    warm, cold = [0.0], [0.0]
    for write in writes:
        parts = [prediction.nodes[n.digest] for n in walk((write,)) if n.digest in prediction.nodes]
        warm.append(sum(part.high for part in parts))
        cold.append(sum(part.high + part.load_high for part in parts))
    return Need(max(warm), max(cold), prediction.peak)


def _excess(each: Alternative, budget: Budget) -> float:
    limits = (
        (getattr(budget, key), getattr(each.need, key)) for key in ("latency", "cold_latency", "memory")
    )
    worst = max((needed / limit for limit, needed in limits if limit), default=0.0)
    return worst if worst > 1 else 1.0 - (each.quality or 0.0)
