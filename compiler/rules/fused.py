"""What is fused into what: the operands of a plan's fusions with their facts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from mosaic.compiler.context import Context
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.ir.evaluate import is_partial, operand
from mosaic.compiler.ir.evaluate import strength as written_strength
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.ir.models import BESIDE, Leaf, is_whole, operator_of, trees
from mosaic.compiler.ir.origins import base_node, operands
from mosaic.compiler.operators import Operator
from mosaic.compiler.passes.fitness import Use, misfit
from mosaic.compiler.rules.place import Place, place
from mosaic.compiler.source import Span


@dataclass(frozen=True)
class Fused:
    """One operand of one fusion. `node` is its `expert` node, that at the bottom of a fused model; `base` a checkpoint
    that it is fused into. `operator` is that of the fusion, `below` what the model that it is fused into runs."""

    fusion: Node
    position: int
    given: Node
    node: Node
    base: ExpertFacts
    operator: Operator
    below: tuple[Leaf, ...]

    @property
    def expert(self) -> ExpertFacts:
        """The operand's facts."""
        return self.node.expert

    @property
    def spot(self) -> Place:
        """Where it was written in the fusion."""
        return place(self.fusion, self.position)

    @property
    def base_span(self) -> Span | None:
        """Where the base of the fusion was written."""
        return place(self.fusion, 0).span

    @property
    def fusion_span(self) -> Span:
        """Where the fusion was written."""
        assert self.fusion.origin is not None, "a fusion is always written somewhere"
        return self.fusion.origin.span

    @property
    def partial(self) -> bool:
        """Whether it may be loaded in part."""
        return is_partial(self.given)

    @property
    def whole(self) -> bool:
        """Whether it is a model of its own beside the base, and nothing of it has to fit the base's tensors."""
        return is_whole(self.given, self.operator)

    @property
    def accepted(self) -> bool:
        """Whether the operator takes operands of its kind at all; `fused_operands` speaks of the others."""
        return self.given.type.kind in (*self.operator.accepts, *BESIDE)

    @property
    def is_expert(self) -> bool:
        """Whether the operand is the expert itself, and no model that others are fused into."""
        return operand(self.given) is self.node

    def before(self) -> Iterator[tuple[Node, Span | None]]:
        """The `expert` nodes that were fused before it, with their places where those are in this fusion."""
        fused = (given for leaf in self.below for given in leaf.operands)
        for node in {each.digest: each for given in fused for each in _experts(given)}.values():
            yield node, None
        for at, given in enumerate(self.fusion.inputs[1 : self.position], 1):
            for node in _experts(given):
                yield node, place(self.fusion, at).span


def fused(graph: Graph, context: Context) -> Iterator[Fused]:
    """Every operand of every fusion, in the order of the graph; once for each base that the model below runs."""
    known = trees(graph, context.operators)
    for node in graph.nodes():
        if node.op != "fuse":
            continue
        operator = operator_of(node, context.operators)
        below = known.leaves(node.inputs[0])
        for position, given in enumerate(node.inputs[1:], 1):
            for leaf in below:
                bottom = base_node(given)
                yield Fused(node, position, given, bottom, leaf.base.expert, operator, below)


def _experts(given: Node) -> tuple[Node, ...]:
    """An operand's `expert` node; of a fused model the one at its bottom and those that were fused into that."""
    model = operand(given)
    if model.op != "fuse":
        return (model,)
    return (base_node(model), *(operand(each) for each in operands(model) if operand(each).op == "expert"))


def strength(given: Node) -> float | None:
    """An operand's strength, the product of all that are written; None where it is no finite number."""
    value = written_strength(given)
    return value if value is not None and math.isfinite(value) else None


@dataclass(frozen=True)
class Suggestion:
    """Experts that would fit, and the text that names the one that does not (None where it cannot be replaced)."""

    fitting: tuple[str, ...] = ()
    reference: Span | None = None


def suggest(context: Context, each: Fused) -> Suggestion:
    """What the catalog has instead of an expert that does not fit a base. Each is tried as `find` would try it."""
    fitting = tuple(name for name in _similar(context, each) if name != each.expert.id)
    origin = each.node.origin
    if origin is None or origin.calls or not is_literal(origin.span):
        return Suggestion(fitting)
    return Suggestion(fitting, origin.span)


def _similar(context: Context, each: Fused) -> Iterator[str]:
    for name in context.experts.fitting(each.expert.kind, each.base, each.expert):
        facts = context.experts.resolve(each.expert.kind, name, each.fusion_span)
        if isinstance(facts, ExpertFacts) and not misfit(facts, each.fusion, each.base, Use(), context):
            yield name


def is_literal(span: Span) -> bool:
    """Whether a span covers a text as it is written in quotes."""
    return len(span.text) > 1 and span.text[0] == span.text[-1] == '"'
