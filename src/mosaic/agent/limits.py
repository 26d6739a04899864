"""The limits of a request, read as the language reads them: a policy and a budget to judge by."""

from __future__ import annotations

from dataclasses import dataclass

from mosaic.agent.values import Limits
from mosaic.agent.world import World
from mosaic.api.faults import UsageError
from mosaic.compiler.check.budget import build_budget
from mosaic.compiler.check.policy import build_policy
from mosaic.compiler.check.scope import Scope
from mosaic.compiler.check.world import World as Checking
from mosaic.compiler.cost.budget import Budget
from mosaic.compiler.diagnostic import MosaicError, Sink
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.policy.judge import Verdict, judge
from mosaic.compiler.policy.policy import Policy
from mosaic.compiler.policy.refusal import too_strict
from mosaic.compiler.policy.terms import Licences
from mosaic.compiler.syntax import tree
from mosaic.compiler.syntax.parse import parse


@dataclass(frozen=True)
class Bounds:
    """What a request allows. None where it says nothing."""

    policy: Policy | None
    budget: Budget | None

    def forbids(self, facts: ExpertFacts, licences: Licences) -> str:
        """Why an expert may not be used, in a few words; "" where it may."""
        if facts.integrity in ("changed", "missing"):
            return f"its file has {'changed' if facts.integrity == 'changed' else 'gone'} since it was catalogued"
        if self.policy is None:
            return ""
        if too_strict(facts.rating, self.policy):
            return f"rated {facts.rating}, the policy allows {self.policy.rating}"
        found = judge(facts, self.policy, licences)
        worst = max(found, key=lambda finding: finding.verdict, default=None)
        if worst is None or worst.verdict < Verdict.UNKNOWN:
            return ""
        if worst.verdict is Verdict.UNKNOWN and not self.policy.denies_unknown:
            return ""
        return f"{worst.licence}: {worst.short}" if worst.licence else worst.short


def blocks(limits: Limits) -> str:
    """The limits as blocks of the language; "" where there are none."""
    written = []
    for name, entries in (("budget", limits.budget), ("policy", limits.policy)):
        if entries:
            inner = ", ".join(f"{key}: {value}" for key, value in entries.items())
            written.append(f"{name} {{ {inner} }}")
    return "\n".join(written)


def read_limits(limits: Limits, world: World) -> Bounds:
    """The limits as values. Raises MosaicError with what is wrong with them, at its place in the blocks."""
    text = f"mosaic 1\n\n{blocks(limits)}\n"
    sink = Sink()
    file = parse(world.source(text), sink)
    if file is None or sink.has_errors:
        raise MosaicError(*sink)
    checking = Checking(world.context, sink)
    policies = [item for item in file.items if isinstance(item, tree.Policy)]
    budgets = [item for item in file.items if isinstance(item, tree.Budget)]
    if len(policies) + len(budgets) != len(file.items):
        raise UsageError("an entry of a policy or budget is one value")
    found = Bounds(
        build_policy(policies, Scope(), checking) if policies else None,
        build_budget(budgets, Scope(), checking) if budgets else None,
    )
    if sink.has_errors:
        raise MosaicError(*sink)
    return found
