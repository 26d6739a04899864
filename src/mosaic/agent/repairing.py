"""Drafts of a plan, held to the request, mended by machine, and sent back with what the compiler says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from mosaic.agent.backend import Backend
from mosaic.agent.holding import LONGEST_PLAN, Held, hold, keeps_limits
from mosaic.agent.quoting import cleaned
from mosaic.agent.refusing import check_program, read, refusals
from mosaic.agent.values import Brief, Draft, Round
from mosaic.agent.world import World
from mosaic.compiler.diagnostic import Diagnostic, Fix, MosaicError, Severity
from mosaic.compiler.errors.drafts import NotAsAsked, OutsideShortlist, ReadsMore
from mosaic.compiler.fixing import apply, mend
from mosaic.compiler.reporting.document import render_json
from mosaic.compiler.source import SourceFile

if TYPE_CHECKING:
    from mosaic.agent.spending import Spend
    from mosaic.compiler import Compiled

ROUNDS: Final = 3
"""Drafts of one plan, the first included."""
DIAGNOSTICS: Final = 8
"""That a round keeps and a model is sent."""
_HOLDING: Final = 4
"""How often a text is held and mended in turn. What a fix of its syntax brings to light is held the second time."""
_LONGEST: Final = 400
"""Code points of a text in a diagnostic."""
_MOST: Final = 16
"""Entries of a list in a diagnostic."""
_FIXES: Final = 3
_REFUSED: Final = tuple(each.code for each in (OutsideShortlist, ReadsMore, NotAsAsked))


@dataclass(frozen=True)
class Repaired:
    """Every round, and the plan of the last one where it compiles.

    `stopped` is what kept a writer from trying once more: a model that could not be asked again.
    """

    rounds: tuple[Round, ...]
    plan: str | None = None
    compiled: Compiled | None = None
    stopped: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class _Tried:
    """A draft after everything that a machine can do for it."""

    plan: str
    changed: tuple[str, ...]
    made: tuple[str, ...]
    left: tuple[Diagnostic, ...]
    compiled: Compiled | None = None

    @property
    def compiles(self) -> bool:
        return self.compiled is not None and not _wrong(self.left)

    @property
    def mistakes(self) -> frozenset[tuple[str, str]]:
        """What is wrong, by codes and the texts that they are about."""
        return frozenset((each.code, each.span.text if each.span else "") for each in _wrong(self.left))


def repair(
    backend: Backend,
    brief: Brief,
    world: World,
    *,
    spend: Spend | None = None,
    tell: Callable[[str], None] | None = None,
) -> Repaired:
    """Let a backend write a plan, and write it again while it does not compile: at most `ROUNDS` drafts, fewer where
    one of them or its mistakes come again.

    What compiles keeps to the request. Raises MosaicError (M862 to M865) where nothing comes of the first draft.
    """
    rounds: list[Round] = []
    known: set[object] = set()
    while True:
        try:
            draft = _bounded(_asked(backend, brief, rounds, spend))
        except MosaicError as error:
            if not rounds:
                raise
            return Repaired(tuple(rounds), stopped=error.diagnostics)
        tried = _try(draft.plan, brief, world)
        rounds.append(_round(len(rounds) + 1, draft, tried))
        if tried.compiles:
            return Repaired(tuple(rounds), tried.plan, tried.compiled)
        seen = {draft.plan, tried.mistakes}
        if len(rounds) == ROUNDS or seen & known:
            return Repaired(tuple(rounds))
        known |= seen
        if tell is not None:
            tell("mending the plan")


def _asked(backend: Backend, brief: Brief, rounds: Sequence[Round], spend: Spend | None) -> Draft:
    draft = backend.repair(brief, tuple(rounds)) if rounds else backend.draft(brief)
    if spend is not None:
        spend.used(draft.usage)
    return draft


def _bounded(draft: Draft) -> Draft:
    """A draft that can be kept: no longer than is looked at, and without what no file can hold."""
    plan = draft.plan[: LONGEST_PLAN + 1].encode("utf-8", "replace").decode("utf-8")
    return draft if plan == draft.plan else draft.model_copy(update={"plan": plan})


def _try(text: str, brief: Brief, world: World) -> _Tried:
    """Hold a text and make the safe fixes of what is wrong with it, in turn, until nothing changes."""
    changed: list[str] = []
    made: list[str] = []
    compile = cache(world.compile)  # the last look at a text is the first at what comes of it
    held = Held(text)
    for _ in range(_HOLDING):
        held = _held(text, brief, world)
        changed += held.changed
        if not held.plan:
            return _Tried("", tuple(changed), tuple(made), held.diagnostics)
        mended = mend(world.source(held.plan), _look(brief, compile), may=_may(brief))
        made += [f"{each.code}: {cleaned(each.fix.title, _LONGEST)}" for each in mended.made]
        text = mended.source.text
        if text == held.plan:
            break
    else:
        held = _held(text, brief, world)
        changed += held.changed
    if held.diagnostics:
        return _Tried(held.plan, tuple(changed), tuple(made), held.diagnostics)
    compiled = compile(held.plan)
    left = compiled.diagnostics
    for program in compiled.programs:
        left += check_program(program, brief.request, brief.shortlist, _insisted(brief))
    return _Tried(
        held.plan, tuple(dict.fromkeys(changed)), tuple(made), left, compiled if compiled.programs else None
    )


def _held(text: str, brief: Brief, world: World) -> Held:
    return hold(text, brief.request, brief.shortlist, world.source("").name)


def _look(brief: Brief, compile: Callable[[str], Compiled]) -> Callable[[SourceFile], tuple[Diagnostic, ...]]:
    """What is to be said of a text while it is mended. What is refused is not compiled."""

    def look(source: SourceFile) -> tuple[Diagnostic, ...]:
        file, wrong = read(source)
        return wrong or refusals(file, brief.request, brief.shortlist) or compile(source.text).diagnostics

    return look


def _may(brief: Brief) -> Callable[[Fix], bool]:
    """Forbids fixes by which a plan would keep to its request less than before."""

    def may(fix: Fix) -> bool:
        source = fix.edits[0].span.source
        file, wrong = read(source)
        if wrong:
            return True  # what comes to light by that is held before anything else is done
        changed, worse = read(apply(source, (fix,)))
        return (
            not worse
            and keeps_limits(changed, brief.request) >= keeps_limits(file, brief.request)
            and len(refusals(changed, brief.request, brief.shortlist))
            <= len(refusals(file, brief.request, brief.shortlist))
        )

    return may


def _insisted(brief: Brief) -> tuple[str, ...]:
    """The experts that have to be in the plan, and can be."""
    possible = {pick.expert for each in brief.ranking.combinations for pick in each.picks}
    possible |= {each.base for each in brief.ranking.combinations}
    return tuple(id for id in brief.request.limits.wanted if id in possible)


# What is kept of a round


def _round(number: int, draft: Draft, tried: _Tried) -> Round:
    heaviest = sorted(tried.left, key=lambda each: _WEIGHT[each.severity])
    return Round(
        number=number,
        draft=draft,
        held=tried.changed,
        made=tried.made,
        plan=tried.plan,
        diagnostics=tuple(as_json(each) for each in heaviest[:DIAGNOSTICS]),
        compiles=tried.compiles,
    )


_WEIGHT: Final = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


def as_json(diagnostic: Diagnostic) -> Mapping[str, Any]:
    """A diagnostic in the shape of `mosaic check`, bounded, with its line (`source`), what was `expected` there and the
    `candidates` for it, where it has them."""
    entry = render_json((diagnostic,))[0]
    entry["fixes"] = entry["fixes"][:_FIXES]
    span = diagnostic.span
    if span is not None:
        entry["source"] = span.source.line(span.source.position(span.start)[0])
    expected = tuple(_texts(diagnostic, "expected", "wanted"))
    candidates = tuple(_texts(diagnostic, "candidates", "near", "known"))
    entry |= {"expected": list(expected)} if expected else {}
    entry |= {"candidates": list(dict.fromkeys(candidates))[:DIAGNOSTICS]} if candidates else {}
    cut: Mapping[str, Any] = _cut(entry)
    return cut


def _texts(diagnostic: Diagnostic, *names: str) -> Iterator[str]:
    """The texts in fields of these names."""
    for name in names:
        value = getattr(diagnostic, name, None)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, str) and each:
                yield each


def _cut(value: Any) -> Any:
    """A JSON value with its texts and lists bounded."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else value[: _LONGEST - 1] + "…"
    if isinstance(value, list):
        return [_cut(each) for each in value[:_MOST]]
    if isinstance(value, dict):
        return {key: _cut(each) for key, each in value.items()}
    return value


def _wrong(diagnostics: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(each for each in diagnostics if each.severity is Severity.ERROR)
