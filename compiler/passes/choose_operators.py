"""Settle which operator each fusion uses."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mosaic.compiler.context import Context
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.ir.evaluate import operand
from mosaic.compiler.ir.graph import Graph, Node, map_graph
from mosaic.compiler.ir.ops import make, with_inputs
from mosaic.compiler.operators import Acts, Operator
from mosaic.compiler.source import Span
from mosaic.compiler.types import Kind

_BESIDE = (Kind.EMBEDDING, Kind.VAE)
"""Operands that every operator carries along: a token and a codec are not blended."""


@dataclass(frozen=True)
class Choice:
    """Which operator a fusion uses, and why."""

    operator: str
    reason: str
    operands: tuple[str, ...]
    span: Span | None


def choose_operators(graph: Graph, context: Context) -> Graph:
    """Fusions with one operator and all its settings, defaults included, written out."""

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node.op != "fuse":
            return with_inputs(node, inputs)
        operator = context.operators[choose(node, context).operator]
        given = json.loads(str(node.attribute("settings"))).get(operator.name, {})
        settings = {setting.name: given.get(setting.name, setting.default) for setting in operator.settings}
        attributes = {
            "operator": operator.name,
            "settings": json.dumps(settings, sort_keys=True),
            "ends_in": _ends_in(operator, inputs),
        }
        return make("fuse", inputs, attributes, like=node)

    return map_graph(graph, rewrite)


def _ends_in(operator: Operator, inputs: tuple[Node, ...]) -> str:
    """The latent space in which a schedule over whole models leaves a run, where it is not the base's."""
    if operator.acts is not Acts.SCHEDULE:
        return ""
    spaces = [given.type.space for given in inputs[1:] if given.type.kind in (Kind.CHECKPOINT, Kind.MODEL)]
    return spaces[-1] or "" if spaces and spaces[-1] != inputs[0].type.space else ""


def choose(node: Node, context: Context) -> Choice:
    """The operator for a fusion that is still open."""
    allowed = str(node.attribute("operator"))
    blended = tuple(operand(given) for given in node.inputs[1:] if given.type.kind not in _BESIDE)
    names = tuple(given.name for given in blended)
    span = node.origin.span if node.origin else None
    if allowed != "auto":
        pinned = [context.operators[name] for name in allowed.split(",")]
        fitting = [operator for operator in pinned if takes(operator, blended)]
        reason = (
            "pinned by the plan"
            if len(pinned) == 1
            else "the first of the plan's list that takes these experts"
        )
        return Choice((fitting or pinned)[0].name, reason, names, span)
    locked = context.operators.get(context.pins.operators.get(names, ""))
    if locked is not None and takes(locked, blended):
        return Choice(locked.name, "as locked", names, span)
    fitting = [operator for operator in context.operators.values() if takes(operator, blended)]
    best = min(fitting or list(context.operators.values()), key=_preference)
    return Choice(best.name, "exact weight arithmetic, one model evaluation a step", names, span)


def takes(operator: Operator, blended: tuple[Node, ...]) -> bool:
    """Whether an operator accepts the kinds and encodings of all operands that it would blend."""
    return all(node.type.kind in operator.accepts and decodes(operator, node) for node in blended)


def decodes(operator: Operator, node: Node) -> bool:
    """Whether an operator can take an operand's deltas as they are encoded."""
    adapter = node.facts.adapter if isinstance(node.facts, ExpertFacts) else None
    return adapter is None or adapter.algorithm in operator.algorithms


def _preference(operator: Operator) -> tuple[bool, bool, bool, int, str]:
    # Our own before others', all of an expert before a selection, cheap before dear, more laws before fewer; the name
    # settles ties.
    foreign = not operator.owner.startswith("mosaic.")
    return foreign, bool(operator.selector), operator.evaluations != "1", -len(operator.laws), operator.name
