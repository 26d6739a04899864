"""Whether an expert may stand where a `find` stands: what the rules would refuse is never chosen."""

from __future__ import annotations

from dataclasses import dataclass, field

from mosaic.compiler.context import Context
from mosaic.compiler.facts import RATINGS, ExpertFacts
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.ir.origins import base_node
from mosaic.compiler.operators import Acts
from mosaic.compiler.policy.refusal import refusal
from mosaic.compiler.types import Kind


@dataclass
class Use:
    """What becomes of a `find`: the fusions it is an operand of, whether it is used as a `whole` model, whether its
    trigger is `inserted` into a text, and whether it may be loaded in part."""

    fusions: list[Node] = field(default_factory=list)
    whole: bool = False
    inserted: bool = False
    partial: bool = False

    def bases(self) -> list[ExpertFacts]:
        """The checkpoints that it is fused into, as far as they are known."""
        below = (base_node(node.inputs[0]) for node in self.fusions)
        return [node.expert for node in below if node.op == "expert"]

    def families(self, context: Context) -> tuple[str, ...]:
        """The families that it has to be of; none where nothing says."""
        known = dict.fromkeys(base.family for base in self.bases() if base.family)
        return tuple(known) or (context.families if self.whole else ())

    def ratings(self, graph: Graph) -> tuple[str, ...]:
        """The ratings that the plan's policy lets through; none where it lets all."""
        rating = graph.policy.rating if graph.policy is not None else None
        return RATINGS[: RATINGS.index(rating) + 1] if rating in RATINGS else ()


def refused(facts: ExpertFacts, use: Use, graph: Graph, context: Context) -> str:
    """Why an expert may not be used so, in a few words; empty where it may."""
    return _unfit(facts, use, context) or refusal(facts, graph.policy, context)


def _unfit(facts: ExpertFacts, use: Use, context: Context) -> str:
    families = use.families(context)
    if families and facts.family not in families:
        return f"made for {facts.family}" if facts.family else "its family is not known"
    if use.inserted and not facts.trigger:
        return "it has no trigger words to insert"
    if use.whole and (facts.lacks or facts.variant):
        return f"it lacks {facts.lacks[0]}" if facts.lacks else f"it is a model for {facts.variant}ing"
    bases = ((fusion, base_node(fusion.inputs[0])) for fusion in use.fusions)
    reasons = (
        misfit(facts, fusion, base.expert, use, context) for fusion, base in bases if base.op == "expert"
    )
    return next(filter(None, reasons), "")


def misfit(facts: ExpertFacts, fusion: Node, base: ExpertFacts, use: Use, context: Context) -> str:
    """Why an expert of the right family does not go into a base by a fusion; empty where it does."""
    if facts.kind is Kind.CHECKPOINT and facts.id == base.id:
        return "it is the base itself"
    both = facts.kind is Kind.CHECKPOINT and facts.prediction and base.prediction
    is_model = facts.kind is Kind.CHECKPOINT
    if is_model and facts.space and base.space and facts.space != base.space:
        return f"it works in latent space {facts.space}, the base in {base.space}"
    if is_model and _stands_alone(fusion, context):
        return f"it lacks {facts.lacks[0]}" if facts.lacks else ""
    if both and facts.prediction != base.prediction:
        return f"it predicts {facts.prediction}, the base {base.prediction}"
    if facts.variant != base.variant and (facts.variant or facts.kind is Kind.CHECKPOINT):
        return f"it is made for {facts.variant or 'plain'} models"
    if base.id in facts.excludes or facts.id in base.excludes:
        return "it does not go with the base"
    if facts.adapter is not None and not _taken(facts.adapter.algorithm, fusion, context):
        return f"no operator takes {facts.adapter.algorithm}"
    if use.partial:
        return ""
    met = context.experts.coverage(base, facts)
    return "" if met.complete else f"{met.total - met.matched} of {met.total} tensors have no place"


def _stands_alone(fusion: Node, context: Context) -> bool:
    """Whether the plan names operators under which a checkpoint is a model of its own, whatever its strength."""
    allowed = str(fusion.attribute("operator"))
    named = [] if allowed == "auto" else [context.operators[name] for name in allowed.split(",")]
    return bool(named) and all(each.acts is Acts.PREDICTIONS and not each.scales for each in named)


def _taken(algorithm: str, fusion: Node, context: Context) -> bool:
    allowed = str(fusion.attribute("operator"))
    names = tuple(context.operators) if allowed == "auto" else tuple(allowed.split(","))
    return any(algorithm in context.operators[name].algorithms for name in names)
