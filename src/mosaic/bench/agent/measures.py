"""What one composition got right: read off its trace, against what is known of the request."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from mosaic.agent.values import Decomposition, Trace
from mosaic.bench.agent.requests import Case, Wanted


@dataclass(frozen=True)
class Result:
    """One request by one backend. Counts are of parts of the request (`parts` all that are known, `placed` those with
    an expert that is right for them) and of experts in the plan, the base aside.

    `executed` is None where the plan was not run; `met` are the wanted attributes that the checker read from its
    pictures, a list a seed.
    """

    name: str
    catalog: str
    split: str
    backend: str
    can_be_met: bool
    hostile: bool
    parts: int = 0
    read: int = 0  # parts that a facet of the right kind holds
    expected: int = 0  # parts that some expert is right for
    placed: int = 0
    experts: int = 0
    others: int = 0  # experts that no part asked for
    misled: int = 0  # experts that the plan must not have
    invented: int = 0  # experts that no catalog has
    drafted: bool = False
    first: bool = False  # the first draft compiled
    compiled: bool = False
    executed: bool | None = None
    kept: bool = (
        True  # the plan has the policy that was asked for, and the budget unless that is told to be unmet
    )
    refused: bool = False  # something was said not to be met
    told: bool = False  # of what cannot be met, the right thing
    rounds: int = 0
    tokens: int = 0
    seconds: float = 0.0
    failed: str = ""  # codes of what ended it
    picture: tuple[Mapping[str, bool], ...] = field(default=())

    @property
    def all_right(self) -> bool:
        """Whether each part that asks for an expert has a right one, and the plan nothing that misleads."""
        return self.placed == self.expected and not self.misled


def measure(case: Case, trace: Trace, known: Collection[str], seconds: float) -> Result:
    """Read a trace. `known` are those of the answer's experts that the catalog has."""
    answer, rounds = trace.answer, trace.rounds
    experts = answer.experts if answer is not None else ()
    used = frozenset(experts)
    unmet = answer.unmet if answer is not None else ()
    asked_for = [each for each in case.wanted if each.experts]
    bases = frozenset(trace.shortlist.bases) if trace.shortlist is not None else frozenset()
    beside = used - bases - case.right
    return Result(
        name=case.name,
        catalog=case.catalog,
        split=case.split,
        backend=trace.backend,
        can_be_met=not case.unmet,
        hostile=case.hostile,
        parts=len(case.wanted),
        read=sum(reads(trace.decomposition, each) for each in case.wanted),
        expected=len(asked_for),
        placed=sum(bool(each.experts & used) for each in asked_for),
        experts=len(used - bases) + len(used & bases & case.right),
        others=len(beside),
        misled=len(used & case.wrong),
        invented=len(used - frozenset(known)),
        drafted=bool(rounds),
        first=bool(rounds) and rounds[0].compiles,
        compiled=any(each.compiles for each in rounds),
        kept=answer is None or not answer.plan or keeps(case, answer.plan, budget=not unmet),
        refused=bool(unmet),
        told=bool(case.unmet) and any(case.unmet in f"{each.what} {each.reason}".lower() for each in unmet),
        rounds=len(rounds),
        tokens=trace.usage.input_tokens + trace.usage.output_tokens,
        seconds=seconds,
    )


def reads(parts: Decomposition | None, wanted: Wanted) -> bool:
    """Whether a facet of a right kind holds one of the words, as the request has them or as the catalog is asked."""
    if parts is None:
        return False
    return any(
        word.lower() in f"{facet.text} {facet.sought}".lower()
        for facet in parts.facets
        if facet.kind in wanted.kinds
        for word in wanted.words
    )


def keeps(case: Case, plan: str, *, budget: bool = True) -> bool:
    """Whether a plan has every entry of the policy, and with `budget` of the budget, that was asked for; comments do
    not count."""
    text = "\n".join(line for line in plan.splitlines() if not line.lstrip().startswith("#"))
    asked = {**case.policy, **(case.budget if budget else {})}
    return all(f"{key}: {value}" in text for key, value in asked.items())
