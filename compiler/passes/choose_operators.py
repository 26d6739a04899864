"""Settle which operator each fusion uses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mosaic.compiler.context import Context
from mosaic.compiler.cost.fidelity import Expected
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.ir.evaluate import operand, region, window
from mosaic.compiler.ir.graph import Graph, Node, map_graph, walk
from mosaic.compiler.ir.models import MODELS, Operators, blended, described, is_whole, parted
from mosaic.compiler.ir.ops import make, with_inputs
from mosaic.compiler.ir.stretches import ends_in, spaces
from mosaic.compiler.operators import Acts, Law, Operator
from mosaic.compiler.source import Span
from mosaic.compiler.types import Kind


@dataclass(frozen=True)
class Choice:
    """Which operator a fusion uses, and why. `experts` are the names of all experts of its operands."""

    operator: str
    reason: str
    operands: tuple[str, ...]
    experts: tuple[str, ...]
    span: Span | None


def choose_operators(graph: Graph, context: Context) -> Graph:
    """Fusions with one operator and all its settings, defaults included, written out."""
    return settle(graph, context)[0]


def settle(graph: Graph, context: Context) -> tuple[Graph, tuple[Choice, ...]]:
    """The graph with its operators chosen, and how each was, inner fusions before outer ones."""
    choices: list[Choice] = []

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = with_inputs(node, inputs)
        if node.op != "fuse":
            return node
        choice = choose(node, context)
        choices.append(choice)
        operator = context.operators[choice.operator]
        given = json.loads(str(node.attribute("settings"))).get(operator.name, {})
        settings = {setting.name: given.get(setting.name, setting.default) for setting in operator.settings}
        written = json.dumps(settings, sort_keys=True)
        attributes = {
            "operator": operator.name,
            "settings": written,
            "ends_in": ends_in(operator, written, inputs),
        }
        return make("fuse", inputs, attributes, like=node)

    return map_graph(graph, rewrite), tuple(choices)


def choose(node: Node, context: Context) -> Choice:
    """The operator for a fusion that is still open, over models whose operators are chosen."""
    allowed = str(node.attribute("operator"))
    names = tuple(map(described, blended(node)))
    experts = tuple(dict.fromkeys(each.name for each in walk(blended(node)) if each.op == "expert"))
    span = node.origin.span if node.origin else None
    if allowed != "auto":
        pinned = [context.operators[name] for name in allowed.split(",")]
        first = _first(pinned, node, context.operators)
        of_list = "the first of the plan's list that takes these experts as they are written"
        reason = "pinned by the plan" if len(pinned) == 1 else of_list
        return Choice(first.name, reason, names, experts, span)
    locked = context.operators.get(context.pins.operators.get(names, ""))
    if locked is not None and fits(locked, node, context.operators):
        return Choice(locked.name, "as locked", names, experts, span)
    has_models = any(given.type.kind in MODELS for given in blended(node))
    known = sorted(context.operators.values(), key=lambda operator: _preference(operator, has_models))
    measured = _measured(known, node, context)
    if measured is not None:
        best, expected = measured
        return Choice(best.name, _evidence(best, expected), names, experts, span)
    best = _first(known, node, context.operators)
    return Choice(best.name, _reason(best, node, context.operators), names, experts, span)


def _measured(known: Iterable[Operator], node: Node, context: Context) -> tuple[Operator, Expected] | None:
    """Of the operators that fit, in order of preference, the one of the highest measured fidelity; None where nothing
    was measured of such a fusion. Only experts were measured together, no models."""
    given = [operand(each) for each in blended(node)]
    if not all(isinstance(each.facts, ExpertFacts) and each.type.kind is Kind.LORA for each in given):
        return None
    categories = [each.expert.category for each in given]
    best: tuple[Operator, Expected] | None = None
    for operator in known:
        expected = context.fidelity.of(operator.name, categories)
        is_better = expected is not None and (best is None or expected.share > best[1].share)
        if is_better and expected is not None and fits(operator, node, context.operators):
            best = operator, expected
    return best


def _evidence(operator: Operator, expected: Expected) -> str:
    cost = _COST.get(operator.evaluations, f"{operator.evaluations} evaluations a step")
    basis = {"these kinds": "of such experts", "so many": "of so many experts"}
    told = basis.get(expected.basis, f"of {expected.basis}")
    share = f"{100 * expected.share:.0f}% of {expected.pictures} pictures {told} were right"
    return f"the best measured, {share}; {cost}"


def _first(operators: Iterable[Operator], node: Node, known: Operators) -> Operator:
    """The first operator that fits; where none does, the first that at least takes the operands."""
    in_order = list(operators)
    fitting = (operator for operator in in_order if fits(operator, node, known))
    taking = (operator for operator in in_order if takes(operator, blended(node)))
    return next(fitting, None) or next(taking, in_order[0])


def fits(operator: Operator, node: Node, known: Operators) -> bool:
    """Whether an operator can blend the operands of a fusion, as they are written, into its base."""
    given = blended(node)
    return takes(operator, given) and not any(
        unhonoured(operator, each) or clash(operator, node.inputs[0], each, known) for each in given
    )


def takes(operator: Operator, given: tuple[Node, ...]) -> bool:
    """Whether an operator accepts the kinds and encodings of all operands that it would blend."""
    return all(each.type.kind in operator.accepts and decodes(operator, operand(each)) for each in given)


def decodes(operator: Operator, node: Node) -> bool:
    """Whether an operator can take an operand's deltas as they are encoded."""
    adapter = node.facts.adapter if isinstance(node.facts, ExpertFacts) else None
    return adapter is None or adapter.algorithm in operator.algorithms


def unhonoured(operator: Operator, given: Node) -> tuple[str, ...]:
    """Which of "region" and "window" an operand has and an operator cannot honour."""
    has = {"region": region(given) is not None, "window": window(given) is not None}
    return tuple(what for what, is_there in has.items() if is_there and what not in operator.honours)


def clash(operator: Operator, base: Node, given: Node, known: Operators) -> str:
    """In what an operand differs from the base so that the operator cannot blend them; empty where it can.

    One of "family", "space", "prediction", or "parts" where it is no one set of weights.
    """
    ours, theirs = base.type, given.type
    is_model = theirs.kind in MODELS
    if is_whole(given, operator):
        is_elsewhere = operator.acts is Acts.PREDICTIONS and _differ(ours.space, theirs.space)
        return "space" if is_elsewhere else ""
    if _differ(ours.family, theirs.family):
        return "family"
    if is_model and _differ(ours.space, theirs.space):
        return "space"
    if is_model and _differ(ours.prediction, theirs.prediction):
        return "prediction"
    return "parts" if is_model and parted(given, known) else ""


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other


_ORDER = (Acts.WEIGHTS, Acts.PREDICTIONS, Acts.SCHEDULE)
"""What costs least and blends most goes first."""


def _preference(operator: Operator, has_models: bool) -> tuple[bool, int, bool, bool, bool, int, str]:
    # Our own before others', all of an expert before a selection, of several models whole ones before scaled ones,
    # cheap before dear, more laws before fewer; the name settles ties.
    foreign = not operator.owner.startswith("mosaic.")
    is_other_way = operator.acts is Acts.PREDICTIONS and operator.scales is has_models
    return (
        foreign,
        _ORDER.index(operator.acts),
        bool(operator.selector),
        is_other_way,
        operator.evaluations != "1",
        -len(operator.laws),
        operator.name,
    )


_COST = {
    "1": "one model evaluation a step",
    "experts": "one evaluation for each expert a step",
    "models": "one evaluation for each model a step",
}
_HOW = {Acts.PREDICTIONS: "predictions are blended", Acts.SCHEDULE: "models denoise in turn"}


def _reason(operator: Operator, node: Node, known: Operators) -> str:
    cost = _COST.get(operator.evaluations, f"{operator.evaluations} evaluations a step")
    if operator.acts is Acts.WEIGHTS:
        exact = "exact weight arithmetic" if Law.LINEAR in operator.laws else "weight arithmetic"
        return f"{exact}, {cost}"
    because = " and ".join(dict.fromkeys(_obstacles(node, known)))
    return f"{because or 'no operator on weights takes these experts'}: {_HOW[operator.acts]}, {cost}"


def _obstacles(node: Node, known: Operators) -> Iterator[str]:
    """What of a fusion no weights can hold."""
    given = blended(node)
    if any(region(each) is not None for each in given):
        yield "weights know no regions"
    models = [each for each in given if each.type.kind in MODELS]
    kinds = dict.fromkeys(each.type.prediction for each in (node.inputs[0], *models) if each.type.prediction)
    if len(kinds) > 1:
        yield f"the models predict different things ({', '.join(kinds)})"
    if len(dict.fromkeys(each.type.family for each in (node.inputs[0], *models) if each.type.family)) > 1:
        yield "the models are of several families"
    if len(spaces(node.inputs)) > 1:
        yield "the models work in several latent spaces"
    if any(parted(each, known) for each in models):
        yield "an operand is no one set of weights"
