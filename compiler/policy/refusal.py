"""Whether an expert may be used at all: what `find` asks before it chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.compiler.facts import RATINGS, ExpertFacts
from mosaic.compiler.policy.judge import Verdict, judge
from mosaic.compiler.policy.policy import Policy

if TYPE_CHECKING:
    from mosaic.compiler.context import Context


def refusal(facts: ExpertFacts, policy: Policy | None, context: Context) -> str:
    """Why a policy does not let an expert into a plan, in a few words; empty where it does.

    Where models may be passed on, the expert is taken to be merged into one.
    """
    if policy is None:
        return ""
    if too_strict(facts.rating, policy):
        return f"rated {facts.rating}"
    passed_on = policy.redistributes
    found = judge(facts, policy, context.licences, copied=passed_on, merged=passed_on)
    return next((finding.short for finding in found if finding.verdict is Verdict.DENIED), "")


def too_strict(rating: str | None, policy: Policy) -> bool:
    """Whether a rating is above what a policy allows. An unknown one is not."""
    if rating not in RATINGS or policy.rating not in RATINGS:
        return False
    return RATINGS.index(rating) > RATINGS.index(policy.rating)
