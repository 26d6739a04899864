"""What is fused into what: the operands of a plan's fusions with their facts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from mosaic.compiler.context import Context
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.ir.evaluate import INFIXES, constant, is_partial
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.ir.origins import base_expert, operands
from mosaic.compiler.passes.fitness import Use, misfit
from mosaic.compiler.rules.place import Place, place
from mosaic.compiler.source import Span


@dataclass(frozen=True)
class Fused:
    """One operand of one fusion. `node` is its `expert` node, `base` the checkpoint at the bottom."""

    fusion: Node
    position: int
    given: Node
    node: Node
    base: ExpertFacts

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

    def before(self) -> Iterator[tuple[Node, Span | None]]:
        """The `expert` nodes that were fused before it, with their places where those are in this fusion."""
        for given in operands(self.fusion.inputs[0]):
            yield _below(given)[0], None
        for at, given in enumerate(self.fusion.inputs[1 : self.position], 1):
            yield _below(given)[0], place(self.fusion, at).span


def fused(graph: Graph) -> Iterator[Fused]:
    """Every operand of every fusion, in the order of the graph."""
    for node in graph.nodes():
        if node.op != "fuse":
            continue
        base = base_expert(node.inputs[0])
        for position, given in enumerate(node.inputs[1:], 1):
            yield Fused(node, position, given, _below(given)[0], base)


def strength(given: Node) -> float | None:
    """An operand's strength, the product of all that are written; None where it is no finite number."""
    value = _below(given)[1]
    return value if value is not None and math.isfinite(value) else None


def _below(given: Node) -> tuple[Node, float | None]:
    value: float | None = 1.0
    while given.op in INFIXES:
        factor = constant(given.inputs[1]) if given.op == "strength" else 1.0
        known = isinstance(factor, int | float) and not isinstance(factor, bool)
        value = value * factor if known and value is not None else None  # type: ignore[operator]
        given = given.inputs[0]
    return given, value


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
