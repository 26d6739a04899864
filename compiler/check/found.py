"""`find(kind, "words")` and the flags of experts: calls whose arguments are settled when the plan is read."""

from __future__ import annotations

from collections.abc import Callable as Function
from collections.abc import Mapping

from mosaic.compiler import errors
from mosaic.compiler.check.kinds import wanted
from mosaic.compiler.check.scope import Scope
from mosaic.compiler.check.world import World
from mosaic.compiler.ir.evaluate import constant
from mosaic.compiler.ir.graph import Node, Origin
from mosaic.compiler.ir.ops import make
from mosaic.compiler.near import nearest
from mosaic.compiler.syntax import tree
from mosaic.compiler.types import EXPERTS, Kind

Build = Function[[tree.Expression, Scope, World], Node | None]
FINDABLE = tuple(kind for kind in EXPERTS if kind is not Kind.CONTROL)


def build_find(
    call: tree.Call, given: Mapping[str, tree.Argument], scope: Scope, world: World, build: Build
) -> Node | None:
    """A `find` node of the wanted kind, which `resolve_finds` replaces by an expert; None with a diagnostic."""
    kind = _kind(given["kind"].value, world)
    where = given["words"].value
    words = build(where, scope, world)
    if kind is None or words is None:
        return None
    if not wanted(words, (Kind.TEXT,), "`words` of `find`", where.span, world):
        return None
    text = constant(words)
    if not isinstance(text, str):
        world.sink.add(
            errors.types.NotAnOperand(
                where.span, "`find`", "needs words that are known when the plan is read"
            )
        )
        return None
    indices = {"kind": kind.value, "family": None, "space": None, "prediction": None}
    spans = tuple(given[name].value.span for name in ("kind", "words"))
    return make("find", (), {"words": text, **indices}, origin=Origin(call.span, spans))


def _kind(value: tree.Expression, world: World) -> Kind | None:
    known = tuple(kind.value for kind in FINDABLE)
    if isinstance(value, tree.Text) and value.plain in known:
        world.sink.add(
            errors.types.TypeMismatch(value.span, "`kind` of `find`", "a bare word", "a text", value.plain)
        )
        return None
    if not isinstance(value, tree.Reference) or len(value.parts) > 1:
        names = ", ".join(f"`{name}`" for name in known)
        world.sink.add(
            errors.types.TypeMismatch(value.span, "`kind` of `find`", f"one of {names}", "something else")
        )
        return None
    if value.text == Kind.CONTROL:
        world.sink.add(errors.names.NotAvailable(value.span, "`find(control, …)`", known))
        return None
    if value.text not in known:
        near = nearest(value.text, known)
        world.sink.add(errors.types.UnknownType(value.span, value.text, near, known))
        return None
    return Kind(value.text)


def partial(node: Node, flag: Node, call: tree.Call, argument: tree.Argument, world: World) -> Node | None:
    """The expert, loaded as far as it fits where the flag says so."""
    allowed = constant(flag)
    if not isinstance(allowed, bool):
        world.sink.add(
            errors.types.NotAnOperand(
                argument.value.span, "`partial`", "needs a value that is known when the plan is read"
            )
        )
        return None
    return (
        make("partial", (node,), origin=Origin(call.span, (node.origin.span,)))
        if allowed and node.origin
        else node
    )
