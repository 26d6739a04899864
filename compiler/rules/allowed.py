"""Which experts of the catalog a policy would let in instead of one that it does not."""

from __future__ import annotations

from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.facts import RATINGS, ExpertFacts
from mosaic.compiler.policy.parts import Part
from mosaic.compiler.policy.policy import Policy
from mosaic.compiler.policy.refusal import refusal
from mosaic.compiler.rules.place import place


def allowed(part: Part, rule: Policy, context: Context) -> tuple[str, ...]:
    """Experts of the catalog that fit as well and that the policy lets in without a word."""
    facts, spot = part.facts, place(part.node)
    if spot.span is None:
        return ()
    base = part.base.expert if part.base is not None else facts
    found = []
    try:
        for id_ in context.experts.fitting(facts.kind, base, facts):
            other = context.experts.resolve(facts.kind, id_, spot.span)
            if isinstance(other, ExpertFacts) and id_ != facts.id and _lets_in(other, rule, context):
                found.append(id_)
    except MosaicError:  # a catalog that cannot be opened has its own message elsewhere
        return ()
    return tuple(found)


def _lets_in(facts: ExpertFacts, rule: Policy, context: Context) -> bool:
    if rule.rating == RATINGS[0] and facts.rating is None:
        return False  # a warning of its own
    return not refusal(facts, rule, context)
