"""Settle which operator each fusion uses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

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
class Candidate:
    """An operator that fits a fusion, with what was measured of such fusions (None: nothing)."""

    operator: Operator
    expected: Expected | None = None

    @property
    def share(self) -> float:
        """The share of pictures that it is expected to get right; -1 where nothing was measured."""
        return self.expected.share if self.expected is not None else -1.0


@dataclass(frozen=True)
class Choice:
    """Which operator a fusion uses, and why. `experts` are the names of all experts of its operands; `candidates` all
    that the plan (or a lock) leaves open and that fit, the best first."""

    operator: str
    reason: str
    operands: tuple[str, ...]
    experts: tuple[str, ...]
    span: Span | None
    candidates: tuple[Candidate, ...] = field(default=(), compare=False)
    best: float = field(default=-1.0, compare=False)  # the highest share of all that fit, allowed or not

    @property
    def share(self) -> float:
        """What was measured of the operator; -1 where nothing was."""
        return next((each.share for each in self.candidates if each.operator.name == self.operator), -1.0)


def choose_operators(graph: Graph, context: Context) -> Graph:
    """Fusions with one operator and all its settings, defaults included, written out."""
    return settle(graph, context)[0]


def settle(graph: Graph, context: Context, picked: Sequence[str] = ()) -> tuple[Graph, tuple[Choice, ...]]:
    """The graph with its operators chosen, and how each was, inner fusions before outer ones.

    `picked` names the operator of each fusion, in that order, or says "" for the best. What does not fit is not taken.
    """
    choices: list[Choice] = []

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = with_inputs(node, inputs)
        if node.op != "fuse":
            return node
        wanted = picked[len(choices)] if len(choices) < len(picked) else ""
        choice = choose(node, context, wanted)
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


WITHIN_BUDGET: Final = "the best measured that keeps within the budget"
AS_LOCKED: Final = "as locked"


def choose(node: Node, context: Context, picked: str = "") -> Choice:
    """The operator for a fusion that is still open, over models whose operators are chosen."""
    allowed = str(node.attribute("operator"))
    names = tuple(map(described, blended(node)))
    experts = tuple(dict.fromkeys(each.name for each in walk(blended(node)) if each.op == "expert"))
    span = node.origin.span if node.origin else None

    has_models = any(given.type.kind in MODELS for given in blended(node))
    known = sorted(context.operators.values(), key=lambda operator: _preference(operator, has_models))
    every = _candidates(known, node, context)
    best_share = max((each.share for each in every), default=-1.0)

    def choice(operator: Operator, reason: str, found: Sequence[Candidate] = ()) -> Choice:
        alone = [each for each in every if each.operator is operator] or [Candidate(operator)]
        return Choice(operator.name, reason, names, experts, span, tuple(found or alone), best_share)

    pinned = [] if allowed == "auto" else [context.operators[name] for name in allowed.split(",")]
    if len(pinned) == 1:
        return choice(pinned[0], "pinned by the plan")
    locked = context.operators.get(context.pins.operators.get(names, ""))
    if locked is not None and fits(locked, node, context.operators) and (not pinned or locked in pinned):
        return choice(locked, AS_LOCKED)
    # What was not measured is no choice of the compiler's where others were, and neither is what was never right.
    tried = [each for each in every if each.share > 0] or every
    found = _candidates(pinned, node, context) if pinned else tried
    chosen = next((each for each in found if each.operator.name == picked), None)
    if chosen is not None and chosen is not found[0]:
        return choice(chosen.operator, WITHIN_BUDGET, found)
    best = found[0].operator if found else _first(pinned or known, node, context.operators)
    if found and found[0].expected is not None:
        return choice(best, _evidence(best, found[0].expected), found)
    of_list = "the first of the plan's list that takes these experts as they are written"
    return choice(best, of_list if pinned else _reason(best, node, context.operators), found)


def _candidates(known: Sequence[Operator], node: Node, context: Context) -> list[Candidate]:
    """What fits, in order of measured fidelity, what was not measured last, in order of preference. Only adapters were
    measured together, no models, and only where each has the whole picture."""
    given = [operand(each) for each in blended(node)]
    is_measured = not any(region(each) is not None for each in blended(node)) and all(
        each.type.kind is Kind.LORA and isinstance(each.facts, ExpertFacts) for each in given
    )
    categories = [each.expert.category for each in given] if is_measured else []
    found = [
        Candidate(operator, context.fidelity.of(operator.name, categories))
        for operator in known
        if fits(operator, node, context.operators)
    ]
    return sorted(found, key=lambda each: -each.share)


def _evidence(operator: Operator, expected: Expected) -> str:
    cost = _COST.get(operator.evaluations, f"{operator.evaluations} evaluations a step")
    basis = {"these kinds": "of such experts", "so many": "of as many experts"}
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
