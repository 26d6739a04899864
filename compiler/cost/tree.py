"""The tree of models that a graph's fusions make, as far as cost goes: who is asked at which step, in which calls.

The same shape as at run time (decision 0006), without a weight: a leaf is a base with changed tensors, a turn picks a
child for each step, a mix adds its children's predictions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mosaic.compiler.cost.architecture import Architecture
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.ir.graph import Node

Resources = Mapping[str, float]
"""What stays in memory, by a name that tells equal things, to its bytes."""


@dataclass(frozen=True)
class Adapter:
    """A LoRA that runs beside the layers: its `modules`, and how many numbers its factors have for each number of the
    denoiser's parameters."""

    key: str
    share: float
    modules: int


@dataclass(frozen=True)
class Leaf:
    """A base with changed tensors. Leaves of one `hand` are asked in one call, those of one `voice` read a prompt
    alike. `architecture` is None where it is not known; `changed` are the tensors that differ from the base's, with
    their sizes; `holds` is what the leaf keeps in memory."""

    base: str
    hand: str
    voice: str
    beside: tuple[Adapter, ...] = ()
    expert: ExpertFacts | None = field(default=None, compare=False, repr=False)
    architecture: Architecture | None = field(default=None, compare=False, repr=False)
    changed: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)
    holds: Resources = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, eq=False)
class Turn:
    """One child denoises at each step of a run, or `rest` (-1), as `table` tells for a number of steps."""

    rest: Tree
    children: tuple[Tree, ...]
    table: Callable[[int], Sequence[int]]


@dataclass(frozen=True, eq=False)
class Mix:
    """The children predict at each step in which their windows are open, and `rest` where they leave something.

    `regions` are nodes, None for the whole canvas. With `needs_all` the base predicts unless strengths that add up to
    one cover the canvas; without it only where nobody else does.
    """

    rest: Tree
    children: tuple[Tree, ...]
    strengths: tuple[float, ...]
    windows: tuple[tuple[float, float] | None, ...]
    regions: tuple[Node | None, ...]
    needs_all: bool
    shares_unconditional: bool


Tree = Leaf | Turn | Mix


def parts(tree: Tree) -> list[Tree]:
    """The tree and all below it, each object once, children first; iterative, so that depth costs no stack."""
    found: dict[int, Tree] = {}
    stack = [tree]
    while stack:
        node = stack[-1]
        below = () if isinstance(node, Leaf) else (node.rest, *node.children)
        waiting = [each for each in below if id(each) not in found]
        if waiting:
            stack.extend(reversed(waiting))
            continue
        found.setdefault(id(stack.pop()), node)
    return list(found.values())


def leaves(tree: Tree) -> list[Leaf]:
    """Every leaf once, that of `rest` first."""
    return list(dict.fromkeys(node for node in parts(tree) if isinstance(node, Leaf)))


def first_leaf(tree: Tree) -> Leaf:
    """The leaf that everything was fused into."""
    while not isinstance(tree, Leaf):
        tree = tree.rest
    return tree


def holds(tree: Tree) -> dict[str, float]:
    """What a model keeps in memory."""
    return {key: size for leaf in leaves(tree) for key, size in leaf.holds.items()}


def map_leaves(tree: Tree, change: Callable[[Leaf], Tree]) -> Tree:
    """The tree with every leaf replaced; what stands in several places is changed once."""
    new: dict[int, Tree] = {}
    for node in parts(tree):
        if isinstance(node, Leaf):
            new[id(node)] = change(node)
        else:
            children = tuple(new[id(child)] for child in node.children)
            new[id(node)] = replace(node, rest=new[id(node.rest)], children=children)
    return new[id(tree)]
