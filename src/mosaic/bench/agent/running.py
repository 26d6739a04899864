"""Composes every request by one backend, runs the plans that can be run, and measures both."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mosaic.agent.backend import Backend
from mosaic.agent.composing import compose
from mosaic.agent.spending import Ask, Spend
from mosaic.agent.values import Estimate, Trace
from mosaic.agent.world import World
from mosaic.bench.agent.catalog import SIZE, edition, write_catalog
from mosaic.bench.agent.measures import Result, measure
from mosaic.bench.agent.requests import HUB, Case
from mosaic.catalog.reading import shipped
from mosaic.catalog.store import open_store
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.models import AnswerUnusable, EndpointFailed, SpendingLimit
from mosaic.stdlib import zoo

if TYPE_CHECKING:
    from mosaic.bench.agent.pictures import Draws

DEVICE: Final = "cpu-8"
"""The shipped profile that plans are priced by, so that budgets mean the same everywhere."""
_ASKING: Final = tuple(each.code for each in (EndpointFailed, AnswerUnusable, SpendingLimit))
Maker = Callable[[World, Spend], Backend]
"""Makes the backend that is measured."""


@dataclass(frozen=True)
class Composed:
    """A request with what came of it; `trace` is None where it ended in a message."""

    case: Case
    result: Result
    trace: Trace | None = None


def run(
    cases: Sequence[Case],
    make: Maker,
    folder: Path,
    *,
    size: int = SIZE,
    draws: Draws | None = None,
    limit: int | None = None,
    yes: bool = False,
    ask: Ask | None = None,
    done: Callable[[int, int], None] = lambda finished, total: None,
) -> list[Composed]:
    """Compose requests, and draw the zoo's plans by `draws`. The catalogs, the synthetic one of `size` experts, are
    written into the folder where they are not there yet. `limit` is of the tokens of all requests together.

    Raises MosaicError where the backend cannot be made (M862), where spending is refused before anything is asked
    (M865), and where the model cannot be asked for the first request (M863, M864). What ends a later one is its result;
    once the limit is used up, the requests so far are all.
    """
    found: list[Composed] = []
    spend = Together(limit, yes=yes, ask=ask)
    with _worlds(cases, folder, size) as worlds:
        backends = {name: make(world, spend) for name, world in worlds.items()}
        spend.agree(_together(backends[case.catalog].estimate(case.request()) for case in cases))
        for number, case in enumerate(cases):
            one = _one(case, worlds[case.catalog], backends[case.catalog], spend, is_first=not found)
            if SpendingLimit.code in one.result.failed:
                break
            found.append(_drawn(one, draws) if draws is not None else one)
            done(number + 1, len(cases))
    return found


class Together(Spend):
    """The tokens of many compositions: agreed to once, and counted on from one to the next."""

    def agree(self, estimate: Estimate) -> None:
        """As `before`, for all of them."""
        super().before(estimate)

    def before(self, estimate: Estimate) -> None:
        """Nothing: all was agreed to."""


def _one(case: Case, world: World, backend: Backend, spend: Spend, *, is_first: bool) -> Composed:
    started = time.perf_counter()
    try:
        trace = compose(case.request(), world, backend, spend=spend)
    except MosaicError as error:
        codes = list(dict.fromkeys(each.code for each in error.diagnostics))
        if is_first and not {*codes}.isdisjoint(_ASKING):
            raise
        return Composed(case, _ended(case, backend, time.perf_counter() - started, " ".join(codes)))
    seconds = time.perf_counter() - started
    experts = trace.answer.experts if trace.answer is not None else ()
    known = [each.facts.id for each in world.sights(experts)]
    return Composed(case, measure(case, trace, known, seconds), trace)


def _ended(case: Case, backend: Backend, seconds: float, codes: str) -> Result:
    """A request that ended in a message. One that cannot be met may end so."""
    return Result(
        name=case.name,
        catalog=case.catalog,
        split=case.split,
        backend=backend.name,
        can_be_met=not case.unmet,
        hostile=case.hostile,
        parts=len(case.wanted),
        expected=sum(bool(each.experts) for each in case.wanted),
        seconds=seconds,
        refused=True,
        told=bool(case.unmet),
        failed=codes,
    )


def _drawn(one: Composed, draws: Draws) -> Composed:
    answer = one.trace.answer if one.trace is not None else None
    if one.case.catalog == HUB or answer is None or not answer.plan:
        return one
    try:
        picture = draws.read(one.case, answer.plan)
    except MosaicError as error:
        codes = " ".join(dict.fromkeys(each.code for each in error.diagnostics))
        return replace(one, result=replace(one.result, executed=False, failed=codes))
    return replace(one, result=replace(one.result, executed=True, picture=tuple(picture)))


def _together(estimates: Iterator[Estimate]) -> Estimate:
    total = Estimate()
    for each in estimates:
        total = Estimate(
            calls=total.calls + each.calls,
            input_tokens=total.input_tokens + each.input_tokens,
            output_tokens=total.output_tokens + each.output_tokens,
            rounds=max(total.rounds, each.rounds),
        )
    return total


@contextmanager
def _worlds(cases: Sequence[Case], folder: Path, size: int) -> Iterator[dict[str, World]]:
    from mosaic.project import Project

    with ExitStack() as stack:
        yield {
            name: World(stack.enter_context(Project(made(name, folder, size), DEVICE)), f"<{name}>")
            for name in dict.fromkeys(case.catalog for case in cases)
        }


def made(name: str, folder: Path, size: int = SIZE) -> Path:
    """The file of a catalog in a folder: the synthetic one written where it is not there yet, the zoo's as it is now.
    Raises MosaicError as `open_store`."""
    path = folder / (f"hub-{size}-{edition()}.duckdb" if name == HUB else "zoo.duckdb")
    if name == HUB and path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    if name == HUB:
        write_catalog(unfinished, size)
    else:
        with open_store(unfinished, write=True) as store:
            store.put(shipped(zoo.index(), zoo.root()))
    return unfinished.replace(path)
