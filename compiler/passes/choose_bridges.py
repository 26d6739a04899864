"""Settle by which bridge each latent is carried over."""

from __future__ import annotations

from itertools import permutations

from mosaic.compiler.check.world import expert_node
from mosaic.compiler.context import Context
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.ir.graph import Graph, Node, map_graph
from mosaic.compiler.ir.ops import make, with_inputs
from mosaic.compiler.ir.stretches import spaces
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.types import Kind


def choose_bridges(graph: Graph, context: Context) -> Graph:
    """Graphs in which every `align` between two known spaces has its bridge, where one leads there.

    The bridge is an expert like those that a plan names: rules ask for its licence and its bytes, a lock holds it.
    """

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        given = with_inputs(node, inputs)
        if node.op != "align" or given.inputs[2].op != "default":
            return given
        source, target = given.inputs[0].type.space, given.type.space
        if source is None or target is None or source == target:
            return given
        facts = registered(source, target, context, node.origin.span if node.origin else None)
        if facts is None:
            return given
        return make("align", (*given.inputs[:2], expert_node(facts, node.origin)), like=given)

    return map_graph(graph, rewrite)


def registered(source: str, target: str, context: Context, span: Span | None = None) -> ExpertFacts | None:
    """What carries latents of one space into another: as locked, or else as registered."""
    asked = span or SourceFile("", "").span(0, 0)
    for locked in context.pins.experts:
        facts = context.experts.resolve(Kind.BRIDGE, locked, asked)
        known = facts.bridge if isinstance(facts, ExpertFacts) else None
        if isinstance(facts, ExpertFacts) and known and (known.source, known.target) == (source, target):
            return facts
    return context.experts.bridge(source, target)


def between(fusion: Node, context: Context) -> tuple[Node, ...]:
    """What a schedule over several latent spaces may go through: the bridges among them, as `expert` nodes."""
    pairs = permutations(spaces(fusion.inputs), 2)
    found = (registered(*pair, context, fusion.origin.span if fusion.origin else None) for pair in pairs)
    return tuple(expert_node(facts, fusion.origin) for facts in found if facts is not None)
