"""What a model is made of: which operands are models of their own, which bases run, where it is no one set of weights.

At run time a model is a tree (decision 0006). Here its shape is read off the graph, before anything is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mosaic.compiler.ir.evaluate import operand, region, strength, window
from mosaic.compiler.ir.graph import Graph, Node, walk
from mosaic.compiler.ir.origins import base_node
from mosaic.compiler.operators import Acts, Operator
from mosaic.compiler.types import Kind

MODELS = (Kind.CHECKPOINT, Kind.MODEL)
"""Operands that are, or could be, whole models."""
BESIDE = (Kind.EMBEDDING, Kind.VAE)
"""Operands that every operator carries along: a token and a codec are not blended."""

Operators = Mapping[str, Operator]


def operator_of(fusion: Node, operators: Operators) -> Operator:
    """The operator that was chosen for a fusion."""
    return operators[str(fusion.attribute("operator"))]


def blended(fusion: Node) -> tuple[Node, ...]:
    """The operands of a fusion that its operator blends, as they are written."""
    return tuple(given for given in fusion.inputs[1:] if given.type.kind not in BESIDE)


def is_whole(given: Node, operator: Operator) -> bool:
    """Whether an operand takes part as a model of its own, and not by what it changes of the base's weights.

    Then it has a text encoder and a kind of prediction of its own, and its tensors need not be those of the base.
    """
    if given.type.kind not in MODELS or operator.acts is Acts.WEIGHTS:
        return False
    # A strength that scales the change itself is a way from the base to the operand: half of it is no model.
    is_scaled = operator.acts is Acts.SCHEDULE or operator.scales
    return not is_scaled or strength(given) == 1.0


@dataclass(frozen=True)
class Leaf:
    """A base that a model runs, as its `expert` node, with all operands that change it, the first fused first.

    Models over one base are one leaf here: there may be more of them than can be listed, and what fits does not depend
    on which of them an operand changes.
    """

    base: Node
    operands: tuple[Node, ...] = ()

    @property
    def experts(self) -> tuple[Node, ...]:
        """The `expert` nodes of base and operands."""
        return (self.base, *map(operand, self.operands))


@dataclass(frozen=True)
class Trees:
    """What the models of a graph are made of. `known` has the leaves of every fusion, by the node's identity."""

    known: Mapping[int, tuple[Leaf, ...]]

    def leaves(self, model: Node) -> tuple[Leaf, ...]:
        """Every base that a model runs, that of the innermost fusion first."""
        return self.known.get(id(operand(model))) or (Leaf(base_node(model)),)

    def experts(self, model: Node) -> tuple[Node, ...]:
        """The `expert` nodes of everything that a model runs, each once: bases and what is fused into them."""
        found = {node.digest: node for leaf in self.leaves(model) for node in leaf.experts}
        return tuple(found.values())

    def fused_into(self, model: Node) -> tuple[Node, ...]:
        """Every operand that changes any base of a model, as it is written, each once."""
        found = {given.digest: given for leaf in self.leaves(model) for given in leaf.operands}
        return tuple(found.values())


def trees(graph: Graph, operators: Operators) -> Trees:
    """The trees of a graph whose operators are chosen."""
    known: dict[int, tuple[Leaf, ...]] = {}
    for node in graph.nodes():
        if node.op == "fuse":
            known[id(node)] = _leaves(node, operators, Trees(known))
    return Trees(known)


def _leaves(fusion: Node, operators: Operators, below: Trees) -> tuple[Leaf, ...]:
    operator = operator_of(fusion, operators)
    added: list[Node] = []
    wholes: list[Leaf] = []
    for given in fusion.inputs[1:]:
        if is_whole(given, operator):
            wholes += below.leaves(given)
        elif operand(given).op == "fuse":
            # What a fused model adds are weights: its words and its codec stay behind.
            other = below.leaves(given)[0]
            added += (other.base, *(each for each in other.operands if each.type.kind not in BESIDE))
        else:
            added.append(given)
    own = below.leaves(fusion.inputs[0])
    # One prompt serves all: every model knows the words that were added to the base.
    words = tuple(given for given in (*own[0].operands, *added) if given.type.kind is Kind.EMBEDDING)
    found = [Leaf(leaf.base, (*leaf.operands, *added)) for leaf in own]
    found += [Leaf(leaf.base, (*words, *leaf.operands)) for leaf in wholes]
    return _merged(found)


def _merged(found: list[Leaf]) -> tuple[Leaf, ...]:
    bases = {leaf.base.digest: leaf.base for leaf in reversed(found)}
    operands: dict[str, dict[str, Node]] = {leaf.base.digest: {} for leaf in found}
    for leaf in found:
        for given in leaf.operands:
            operands[leaf.base.digest].setdefault(given.digest, given)
    return tuple(Leaf(bases[base], tuple(some.values())) for base, some in operands.items())


def parted(model: Node, operators: Operators) -> str:
    """Why a model is no one set of weights, in words; empty where it is one."""
    reasons: dict[int, str] = {}
    for node in walk((model,)):
        if node.op == "fuse":
            reasons[id(node)] = _parted(node, operators, reasons)
    return reasons.get(id(operand(model)), "")


def _parted(fusion: Node, operators: Operators, known: Mapping[int, str]) -> str:
    operator = operator_of(fusion, operators)
    taking_part = blended(fusion)
    if operator.acts is Acts.PREDICTIONS and taking_part:
        return f"`{operator.name}` blends predictions"
    if operator.acts is Acts.SCHEDULE and taking_part:
        return f"with `{operator.name}` several models denoise in turn"
    if any(window(given) is not None for given in taking_part):
        return "an operand has a window, so its weights change in the run"
    return next((known[id(below)] for below in _models(fusion) if known.get(id(below))), "")


def _models(fusion: Node) -> Iterator[Node]:
    for given in fusion.inputs:
        yield operand(given)


def title(node: Node) -> str:
    """What an operand or model is called: an expert's id; of a fused model what is fused, and by which operator.

    A model that is an operand of a fused model is told by its base alone, so that no name grows beyond measure.
    """
    below, fusions = operand(node), []
    while below.op == "fuse":
        fusions.append(below)
        below = operand(below.inputs[0])
    name = below.name
    for fusion in reversed(fusions):
        names = (_described(each, _brief(each)) for each in blended(fusion))
        name = f"fuse({', '.join((name, *names))}, via: {fusion.attribute('operator')})"
    return name


def described(given: Node) -> str:
    """An operand as one line shows it: its name, and whether it has a region or a window."""
    return _described(given, title(given))


def _described(given: Node, name: str) -> str:
    place = " in a region" if region(given) is not None else ""
    time = " during a window" if window(given) is not None else ""
    return f"{name}{place}{time}"


def _brief(given: Node) -> str:
    below = operand(given)
    return below.name if below.op != "fuse" else f"fuse({base_node(below).name}, …)"
