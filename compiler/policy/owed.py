"""What is due in return for using a plan's experts, and what is left to a person: for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mosaic.compiler.context import Context
from mosaic.compiler.facts import RATINGS, ExpertFacts
from mosaic.compiler.ir.evaluate import constant, operand
from mosaic.compiler.ir.graph import Graph, walk
from mosaic.compiler.ir.origins import SAMPLED, conditionings, prompts
from mosaic.compiler.policy.judge import Verdict, chosen, judge
from mosaic.compiler.policy.parts import Part, parts
from mosaic.compiler.policy.policy import Policy
from mosaic.compiler.policy.terms import Terms

Standing = Literal["", "allowed", "undeclared", "contested", "unknown", "denied"]
_VERDICTS: Mapping[Verdict, Standing] = {
    Verdict.UNDECLARED: "undeclared",
    Verdict.CONTESTED: "contested",
    Verdict.UNKNOWN: "unknown",
    Verdict.DENIED: "denied",
}


@dataclass(frozen=True)
class Owed:
    """One expert's licence in a plan. `verdict` is empty where no policy asks for anything, else "allowed",
    "undeclared", "contested" or "unknown", with the `reasons`.

    `credit` is the line to show; `notices` are texts to show, `restrictions` uses to forbid to whoever gets a copy,
    `share_alike` the licence of a merge; the last two only where a model is emitted. `clauses` are for a person.
    """

    facts: ExpertFacts
    licences: tuple[str, ...]
    verdict: Standing = ""
    reasons: tuple[str, ...] = ()
    credit: str = ""
    notices: tuple[str, ...] = ()
    restrictions: tuple[str, ...] = ()
    share_alike: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()


def owed(graph: Graph, context: Context) -> tuple[tuple[str, Owed], ...]:
    """For each expert that reaches an emit, in the order of use, by the digest of its node."""
    return tuple((part.node.digest, _owed(part, graph.policy, context)) for part in parts(graph, context))


def plan_rating(graph: Graph, context: Context) -> str | None:
    """The strictest rating of a plan's experts and prompts; None where an expert is unrated and nothing is
    explicit.
    """
    known = [part.facts.rating for part in parts(graph, context)]
    for node in walk(graph.emits):
        found = conditionings(node) if node.op in SAMPLED else None
        shown = prompts(found.prompt) if found is not None else ()
        for text in (constant(operand(part)) for part in shown):
            known += [word.rating for word in context.words.found(text)] if isinstance(text, str) else []
    ranks = [RATINGS.index(rating) for rating in known if rating in RATINGS]
    strictest = RATINGS[max(ranks)] if ranks else None
    return strictest if None not in known or strictest == RATINGS[-1] else None


def _owed(part: Part, policy: Policy | None, context: Context) -> Owed:
    facts, copied, merged = part.facts, part.copied, part.merged
    own = chosen(facts, policy, context.licences, copied=copied, merged=merged) or ()
    verdict, reasons = _verdict(part, policy, context)
    return Owed(
        facts,
        tuple(terms.label for terms in own),
        verdict,
        reasons,
        _credit(facts, own, copied),
        tuple(
            dict.fromkeys(
                text for terms in own for when, text in terms.notices if _shown(when, policy, copied)
            )
        ),
        tuple(f"{t.label}: {t.restrictions}" for t in own if t.restrictions and copied),
        tuple(terms.label for terms in own if terms.lock and merged),
        tuple(f"{terms.label}: {clause}" for terms in own for clause in terms.clauses),
    )


def _verdict(part: Part, policy: Policy | None, context: Context) -> tuple[Standing, tuple[str, ...]]:
    if policy is None or not policy.concerns_rights:
        return "", ()
    found = judge(part.facts, policy, context.licences, copied=part.copied, merged=part.merged)
    if not found:
        return "allowed", ()
    return _VERDICTS[found[0].verdict], tuple(finding.reason for finding in found)


def _credit(facts: ExpertFacts, own: tuple[Terms, ...], copied: bool) -> str:
    by_creator = facts.permissions is not None and facts.permissions.no_credit is False
    due = [terms for terms in own if terms.credit == "use" or (terms.credit == "copies" and copied)]
    if not due and not by_creator:
        return ""
    name = f"“{facts.title}” ({facts.id})" if facts.title and facts.title != facts.id else facts.id
    licences = ", ".join(terms.label for terms in due)
    return f"{name}, {licences}" if licences else name


def _shown(when: str, policy: Policy | None, copied: bool) -> bool:
    return (
        when == "use" or (when == "copies" and copied) or (when == "serve" and bool(policy and policy.serves))
    )
