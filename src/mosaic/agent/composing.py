"""Composing: the four steps in one place, each timed and kept in the trace."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from mosaic.agent.backend import Backend
from mosaic.agent.explaining import explain, neglected, omitted, unmet
from mosaic.agent.limits import Bounds, read_limits
from mosaic.agent.offline.decompose import decompose
from mosaic.agent.offline.lexicon import Lexicon, lexicon
from mosaic.agent.quoting import cleaned
from mosaic.agent.refining import refine
from mosaic.agent.repairing import Repaired, repair
from mosaic.agent.retrieving import retrieve
from mosaic.agent.values import Answer, Brief, Decomposition, LeftOut, Request, Trace
from mosaic.agent.weighing import weigh
from mosaic.agent.world import World

if TYPE_CHECKING:
    from mosaic.agent.spending import Spend

Tell = Callable[[str], None]
"""Told what is being done, in a few words."""

OFFLINE = "offline"
_REASON = 400
"""Code points of why something is left out."""


def compose(
    request: Request,
    world: World,
    backend: Backend,
    *,
    words: Lexicon | None = None,
    spend: Spend | None = None,
    tell: Tell = lambda step: None,
) -> Trace:
    """A plan for a request, and everything that was done for it.

    The answer's plan compiles, keeps to the request's policy and budget and names experts of the shortlist alone. Where
    the request cannot be met, it is the nearest that can be, and `unmet` says why. Raises MosaicError for limits that
    mean nothing, where a model cannot be asked (M862 to M865), and where spending is refused.
    """
    from mosaic import __version__

    clock = _Clock()
    said = words or lexicon()
    bounds = read_limits(request.limits, world)
    estimate = backend.estimate(request)
    if spend is not None:
        spend.before(estimate)
    tell("reading the request")
    parts, used = backend.decompose(request)
    if backend.name != OFFLINE:
        parts = refine(parts, decompose(request.text, world, said))
    if spend is not None:
        spend.used(used)
    clock.lap("decompose")
    tell("looking for experts")
    brief = _brief(request, parts, world, bounds, said, clock, tell)
    tell("writing the plan")
    done = repair(backend, brief, world, spend=spend, tell=tell) if brief.ranking.combinations else None
    clock.lap("emit")
    rounds = done.rounds if done is not None else ()
    return Trace(
        request=request,
        backend=backend.name,
        model=backend.model,
        endpoint=backend.endpoint,
        estimate=estimate,
        decomposition=parts,
        shortlist=brief.shortlist,
        ranking=brief.ranking,
        rounds=rounds,
        answer=_answer(brief, backend, done, world),
        usage=sum((each.draft.usage for each in rounds), used),
        catalog=world.library.digest,
        grammar="" if backend.name == OFFLINE else _grammar(brief),
        prompts="" if backend.name == OFFLINE else _prompts(),
        mosaic=__version__,
        seconds=clock.laps,
    )


def _brief(
    request: Request,
    parts: Decomposition,
    world: World,
    bounds: Bounds,
    words: Lexicon,
    clock: _Clock,
    tell: Tell,
) -> Brief:
    shortlist = retrieve(request, parts, world, bounds, words)
    clock.lap("retrieve")
    tell("weighing combinations")
    ranking = weigh(request, parts, shortlist, world, bounds, words)
    clock.lap("weigh")
    return Brief(request=request, decomposition=parts, shortlist=shortlist, ranking=ranking)


def _answer(brief: Brief, backend: Backend, done: Repaired | None, world: World) -> Answer:
    missing, left = _plain(unmet(brief)), _plain(omitted(brief))
    if done is None:
        reasons = "; ".join(f"“{each.what}”: {each.reason}" for each in missing)
        return Answer(
            plan="",
            explanation=cleaned(explain(brief, (), None, ()) + (f" {reasons}." if reasons else "")),
            unmet=missing,
        )
    plan, compiled, author, told = done.plan, done.compiled, backend.name, ""
    if plan is None or compiled is None:
        plan, author = brief.ranking.combinations[0].plan, OFFLINE
        compiled = world.compile(plan)
        told = f" No draft of {backend.model or backend.name} could be used; this is the best combination."
        told += "".join(f" {each.code}: {each.message()}." for each in done.stopped[:1])
    experts = tuple(expert.id for expert in compiled.programs[0].experts)
    if author != OFFLINE:
        left = (*left, *_plain(neglected(brief, experts)))
        missing = (*missing, *_without(brief, experts, missing))
    seconds = world.seconds(plan, brief.request.name)
    return Answer(
        plan=plan,
        explanation=cleaned(explain(brief, experts, seconds, left) + told),
        unmet=missing,
        left_out=left,
        experts=experts,
        seconds=seconds,
        backend=author,
    )


def _without(brief: Brief, experts: Sequence[str], missing: Sequence[LeftOut]) -> Iterator[LeftOut]:
    """Experts that have to be in the plan and that a model left out."""
    told = {each.what for each in missing}
    for id in brief.request.limits.wanted:
        if id not in experts and id not in told:
            yield LeftOut(what=id, reason="the plan does without it")


def _plain(some: Sequence[LeftOut]) -> tuple[LeftOut, ...]:
    """What is left out, with reasons that can be shown anywhere: they name experts as strangers call them."""
    return tuple(each.model_copy(update={"reason": cleaned(each.reason, _REASON)}) for each in some)


def _grammar(brief: Brief) -> str:
    from mosaic.agent.prompting import grammar_of

    return hashlib.sha256(grammar_of(brief).encode()).hexdigest()


def _prompts() -> str:
    from mosaic.agent.prompting import VERSION

    return str(VERSION)


class _Clock:
    """Seconds by step."""

    def __init__(self) -> None:
        self._last = perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """End a step."""
        now = perf_counter()
        self.laps[name] = round(now - self._last, 4)
        self._last = now
