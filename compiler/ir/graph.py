"""The typed graph: immutable nodes with structural (Merkle) digests.

A node is an operation over other nodes. There is no identity beyond structure: two nodes of equal operation,
attributes and inputs have equal digests, whatever they are called and wherever they were written. Names and
origins travel along for people and take no part in the digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from mosaic.compiler.cost.budget import Budget
from mosaic.compiler.facts import ExpertFacts, FileFact
from mosaic.compiler.ir.finds import Find
from mosaic.compiler.policy.policy import Policy
from mosaic.compiler.source import Span
from mosaic.compiler.types import Kind, Type

Attribute = str | int | float | bool | tuple[int, int] | None


@dataclass(frozen=True)
class Origin:
    """Where a node was written.

    `inputs` has a span for each input (None where a default stands); `calls` are the calls of fragments that
    the node came through, outermost first.
    """

    span: Span
    inputs: tuple[Span | None, ...] = ()
    calls: tuple[Span, ...] = ()


@dataclass(frozen=True, eq=False)
class Node:
    """One operation. Made by `make`, which gives it its type."""

    op: str
    inputs: tuple[Node, ...]
    attributes: tuple[tuple[str, Attribute], ...]  # sorted by name
    type: Type
    name: str = ""  # an expert's id, a picture's path: shown, not digested
    origin: Origin | None = field(default=None, repr=False)
    facts: ExpertFacts | FileFact | None = field(default=None, repr=False)
    found: Find | None = field(default=None, repr=False)  # how a `find` became this expert

    def attribute(self, name: str) -> Attribute:
        """The value of an attribute. Raises KeyError."""
        return dict(self.attributes)[name]

    @cached_property
    def digest(self) -> str:
        """64 hex digits over operation, attributes and the inputs' digests."""
        content = [self.op, [list(a) for a in self.attributes], [node.digest for node in self.inputs]]
        # repr-exact floats: json writes the shortest text that reads back to the same number.
        return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()

    @property
    def expert(self) -> ExpertFacts:
        """The facts of an `expert` node."""
        assert isinstance(self.facts, ExpertFacts), f"{self.op} is no expert"
        return self.facts


@dataclass(frozen=True)
class Fragment:
    """The body of a `define`: a graph over `argument` nodes."""

    name: str
    parameters: tuple[Node, ...]
    result: Node


@dataclass(frozen=True)
class Graph:
    """A plan: what it emits, in order, and whatever else it binds.

    `bindings` holds every `let`, used or not, until `drop_dead` removes what no emit needs. `policy` is what the plan
    says of its use; like a name, it changes nothing that is computed. `budget` is what it may cost: by it operators are
    chosen.
    """

    name: str
    emits: tuple[Node, ...]
    bindings: tuple[tuple[str, Node], ...] = ()
    fragments: Mapping[str, Fragment] = field(default_factory=dict)
    policy: Policy | None = None
    budget: Budget | None = None

    @property
    def roots(self) -> tuple[Node, ...]:
        """Emits first, then bindings."""
        return (*self.emits, *(node for _, node in self.bindings))

    @property
    def digest(self) -> str:
        """Over the emits alone: bindings that feed none change nothing."""
        return hashlib.sha256("".join(node.digest for node in self.emits).encode()).hexdigest()

    def nodes(self) -> tuple[Node, ...]:
        """Every node once (by identity), inputs before users."""
        return self._nodes

    @cached_property
    def _nodes(self) -> tuple[Node, ...]:
        # Every rule looks at all of them.
        return tuple(walk(self.roots))


def walk(roots: Iterable[Node]) -> Iterator[Node]:
    """Post-order over the nodes below some roots, each object once; iterative, so depth costs no stack."""
    seen: set[int] = set()
    for root in roots:
        stack: list[tuple[Node, int]] = [(root, 0)]
        while stack:
            node, done = stack.pop()
            if id(node) in seen:
                continue
            if done < len(node.inputs):
                stack.append((node, done + 1))
                stack.append((node.inputs[done], 0))
                continue
            seen.add(id(node))
            yield node


Rewrite = Callable[[Node, tuple[Node, ...]], Node]
"""Given an old node and its new inputs, the new node."""


def rebuild(roots: tuple[Node, ...], rewrite: Rewrite) -> tuple[Node, ...]:
    """Rewrite bottom-up, each object once, so that sharing by identity survives."""
    return _rebuilt(walk(roots), roots, rewrite)


def _rebuilt(nodes: Iterable[Node], roots: tuple[Node, ...], rewrite: Rewrite) -> tuple[Node, ...]:
    new: dict[int, Node] = {}
    for node in nodes:
        new[id(node)] = rewrite(node, tuple(new[id(i)] for i in node.inputs))
    return tuple(new[id(root)] for root in roots)


def map_graph(graph: Graph, rewrite: Rewrite) -> Graph:
    """The graph with every node below its roots rewritten; fragments are left alone."""
    new = _rebuilt(graph.nodes(), graph.roots, rewrite)
    names = [name for name, _ in graph.bindings]
    split = len(graph.emits)
    return replace(graph, emits=new[:split], bindings=tuple(zip(names, new[split:], strict=True)))


def scalar(kind: Kind, value: Attribute, origin: Origin | None = None) -> Node:
    """A constant."""
    return Node("const", (), (("kind", kind.value), ("value", value)), Type(kind), origin=origin)


def absent(origin: Origin | None = None) -> Node:
    """Stands for an argument that was not given."""
    return Node("default", (), (), Type(Kind.NOTHING), origin=origin)
