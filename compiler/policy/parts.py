"""Which experts of a plan a policy concerns: those that something emitted passes through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mosaic.compiler.context import Context
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.ir.evaluate import operand
from mosaic.compiler.ir.graph import Graph, Node, walk
from mosaic.compiler.ir.origins import base_node
from mosaic.compiler.passes.choose_bridges import between
from mosaic.compiler.types import Kind

_MODELS = (Kind.MODEL, Kind.CHECKPOINT)


@dataclass(frozen=True)
class Part:
    """An expert of a plan. `copied`: its weights are in a model that is emitted; `merged`: together with others.

    `base` is the checkpoint that it is fused into, None for one that is a base itself.
    """

    node: Node
    copied: bool
    merged: bool
    base: Node | None

    @property
    def facts(self) -> ExpertFacts:
        """What is known of it."""
        return self.node.expert


def parts(graph: Graph, context: Context) -> tuple[Part, ...]:
    """The experts that reach an emit, each once, at its first place; the bridges of schedules are among them."""
    found: dict[str, Part] = {}
    for emit in graph.emits:
        experts = _experts(emit, context)
        copied = emit.inputs[0].type.kind in _MODELS
        merged = copied and len(experts) > 1
        for digest, (node, base) in experts.items():
            known = found.get(digest)
            if known is None:
                found[digest] = Part(node, copied, merged, base)
            else:
                found[digest] = replace(known, copied=known.copied or copied, merged=known.merged or merged)
    return tuple(found.values())


def models(graph: Graph, context: Context) -> Iterator[tuple[Node, ...]]:
    """For each emitted model the experts that it is made of."""
    for emit in graph.emits:
        if emit.inputs[0].type.kind in _MODELS:
            yield tuple(node for node, _ in _experts(emit, context).values())


def _experts(emit: Node, context: Context) -> dict[str, tuple[Node, Node | None]]:
    """By digest, each expert below an emit, and the base that it is fused into."""
    nodes = tuple(walk((emit,)))
    bases = {
        id(operand(given)): base_node(node)
        for node in nodes
        if node.op == "fuse"
        for given in node.inputs[1:]
    }
    found: dict[str, tuple[Node, Node | None]] = {}
    for node in nodes:
        if node.op == "expert":
            found.setdefault(node.digest, (node, bases.get(id(node))))
        if node.op == "fuse" and node.attribute("ends_in"):
            for bridge in between(node, context):
                found.setdefault(bridge.digest, (bridge, None))
    return found
