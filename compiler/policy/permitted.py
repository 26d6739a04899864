"""What the results of a plan may be used for, whether or not its policy asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mosaic.compiler.context import Context
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.policy.judge import Verdict, judge
from mosaic.compiler.policy.owed import Standing
from mosaic.compiler.policy.parts import parts
from mosaic.compiler.policy.policy import Policy

USES: Final = {
    "commercial": Policy(use="commercial", unknown="warn"),
    "serve": Policy(action="serve", unknown="warn"),
    "redistribute": Policy(action="redistribute", unknown="warn"),
}
"""What is asked of every expert, by the value of `use` or `action` that asks for it. An expert whose licence nobody
knows is said to be so, rather than refused."""

_STANDING: Final[dict[Verdict, Standing]] = {
    Verdict.UNDECLARED: "undeclared",
    Verdict.CONTESTED: "contested",
    Verdict.UNKNOWN: "unknown",
    Verdict.DENIED: "denied",
}


@dataclass(frozen=True)
class Permitted:
    """One use: "allowed", or what the worst of the experts says of it ("undeclared": the licence asks for revenue or
    territory, "contested", "unknown", "denied"), and which experts say so, each with its reason."""

    use: str
    standing: Standing
    because: tuple[tuple[str, str], ...] = ()


def permitted(graph: Graph, context: Context) -> tuple[Permitted, ...]:
    """What all experts that reach an emit allow together, by use."""
    return tuple(_permitted(use, asked, graph, context) for use, asked in USES.items())


def _permitted(use: str, asked: Policy, graph: Graph, context: Context) -> Permitted:
    found: list[tuple[Verdict, str, str]] = []
    for part in parts(graph, context):
        findings = judge(part.facts, asked, context.licences, copied=part.copied, merged=part.merged)
        if findings:
            found.append((findings[0].verdict, part.facts.id, findings[0].reason))
    if not found:
        return Permitted(use, "allowed")
    worst = max(verdict for verdict, _, _ in found)
    because = sorted({(expert, reason) for verdict, expert, reason in found if verdict is worst})
    return Permitted(use, _STANDING[worst], tuple(because))
