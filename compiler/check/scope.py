"""What a name means where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Sink
from mosaic.compiler.ir.graph import Fragment, Node
from mosaic.compiler.source import Span
from mosaic.compiler.syntax import tree
from mosaic.compiler.types import Kind


@dataclass
class Value:
    """A name for a node. `node` is None where its expression was wrong (and has been reported)."""

    node: Node | None
    span: Span
    used: bool = False


@dataclass(frozen=True)
class FragmentParameter:
    """A parameter of a fragment."""

    name: str
    kind: Kind
    default: Node | None


@dataclass
class Callable:
    """A name for a fragment. `fragment` is None where its body was wrong."""

    key: str
    parameters: tuple[FragmentParameter, ...]
    result: Kind
    fragment: Fragment | None
    span: Span


@dataclass(frozen=True)
class Module:
    """An imported file: its fragments by name."""

    name: str
    members: Mapping[str, Callable]
    span: Span


Binding = Value | Callable | Module


@dataclass
class Scope:
    """Names in sight, inner before outer."""

    outer: Scope | None = None
    names: dict[str, Binding] = field(default_factory=dict)

    def bind(self, name: tree.Name, binding: Binding, sink: Sink) -> None:
        """Add a name. A second binding of a name is reported, and the first one kept."""
        first = self.find(name.text)
        if first is not None:
            sink.add(errors.names.BoundTwice(name.span, name.text, first.span))
            return
        self.names[name.text] = binding

    def find(self, name: str) -> Binding | None:
        """What a name is bound to, or None."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return None

    def known(self) -> Iterator[str]:
        """Every name in sight, for suggestions."""
        scope: Scope | None = self
        while scope is not None:
            yield from scope.names
            scope = scope.outer
