"""From expressions to nodes: names resolved, arguments bound, kinds checked.

Every function returns None where a mistake was reported, and a caller that is handed a None says nothing more:
one mistake, one message.
"""

from __future__ import annotations

from typing import assert_never

from mosaic.compiler import errors
from mosaic.compiler.check.calls import build_call
from mosaic.compiler.check.kinds import article, wanted
from mosaic.compiler.check.scope import Callable, Module, Scope, Value
from mosaic.compiler.check.world import World
from mosaic.compiler.ir.evaluate import operand
from mosaic.compiler.ir.graph import Node, Origin, scalar
from mosaic.compiler.ir.ops import make
from mosaic.compiler.near import nearest
from mosaic.compiler.source import Span
from mosaic.compiler.syntax import tree
from mosaic.compiler.types import EXPERTS, SCALARS, Kind


def build(expression: tree.Expression, scope: Scope, world: World) -> Node | None:
    """The node of an expression, or None with a diagnostic."""
    match expression:
        case tree.Reference():
            return _reference(expression, scope, world)
        case tree.Literal(kind, value):
            return scalar(kind, value, Origin(expression.span))
        case tree.Text():
            return _text(expression, scope, world)
        case tree.Strength():
            return _strength(expression, scope, world)
        case tree.Region():
            return _region(expression, scope, world)
        case tree.Window():
            return _window(expression, scope, world)
        case tree.Call():
            return build_call(expression, scope, world, build)
        case tree.Range():
            world.sink.add(errors.names.misplaced_range(expression.span))
            return None
        case tree.List():
            world.sink.add(errors.types.TypeMismatch(expression.span, "this place", "one value", "a list"))
            return None
        case tree.Hole():
            return None
    assert_never(expression)


def _reference(expression: tree.Reference, scope: Scope, world: World) -> Node | None:
    head, *rest = expression.parts
    binding = scope.find(head)
    if binding is None:
        world.sink.add(errors.names.UnknownName(expression.span, head, nearest(head, scope.known())))
        return None
    if isinstance(binding, Value) and not rest:
        binding.used = True
        return binding.node
    if rest and not (isinstance(binding, Module) and len(rest) == 1 and rest[0] in binding.members):
        members = binding.members if isinstance(binding, Module) else ()
        near = nearest(rest[0], members)
        world.sink.add(errors.names.NotAModule(expression.span, rest[0], head, near and f"{head}.{near}"))
        return None
    what = "a fragment" if rest or isinstance(binding, Callable) else "an imported file"
    world.sink.add(errors.types.TypeMismatch(expression.span, "this place", "a value", what))
    return None


def _text(expression: tree.Text, scope: Scope, world: World) -> Node | None:
    if expression.plain is not None:
        return scalar(Kind.TEXT, expression.plain, Origin(expression.span))
    parts: list[Node | None] = []
    spans: list[Span | None] = []
    for part in expression.parts:
        is_insert = isinstance(part, tree.Insert)
        parts.append(_insert(part, scope, world) if is_insert else scalar(Kind.TEXT, part))  # type: ignore[arg-type]
        spans.append(part.span if isinstance(part, tree.Insert) else None)
    known = tuple(part for part in parts if part is not None)
    if len(known) < len(parts):
        return None
    return make("format", known, origin=Origin(expression.span, tuple(spans)))


def _insert(part: tree.Insert, scope: Scope, world: World) -> Node | None:
    node = _reference(part.reference, scope, world)
    if node is None:
        return None
    kind = node.type.kind
    if kind in SCALARS:
        return node
    what = f"`{part.reference.text}`"
    if kind not in (Kind.LORA, Kind.EMBEDDING, Kind.CHECKPOINT):
        world.sink.add(errors.types.CannotInsert(part.span, what, f"{article(kind)} has no spelling"))
        return None
    below = operand(node)
    if below.op == "expert" and below.expert.trigger is None:
        world.sink.add(
            errors.types.CannotInsert(part.span, what, f"{kind} `{below.name}` has no trigger words or token")
        )
        return None
    return make("trigger", (node,), origin=Origin(part.span, (part.reference.span,)))


_NO_INFIX = {Kind.EMBEDDING: "is a token in the prompt", Kind.VAE: "replaces the model's own"}


def _operand(
    expression: tree.Expression, whole: tree.Expression, scope: Scope, world: World, what: str
) -> Node | None:
    """What stands before an infix: an expert or a model, or a text, which may be a prompt."""
    node = build(expression, scope, world)
    if node is None:
        return None
    kind = node.type.kind
    if kind in _NO_INFIX:
        reason, sign = f"has no {what}: it {_NO_INFIX[kind]}", _SIGNS[what]
        world.sink.add(
            errors.types.NotAnOperand(whole.span, article(kind), reason, f"leave the `{sign}` out")
        )
        return None
    if kind in EXPERTS or kind in (Kind.MODEL, Kind.TEXT):
        return node
    world.sink.add(
        errors.types.NotAnOperand(
            expression.span, article(kind), f"cannot take a {what}", "only an expert, a model or a prompt can"
        )
    )
    return None


_SIGNS = {"strength": "*", "region": "in", "window": "during"}


def _strength(expression: tree.Strength, scope: Scope, world: World) -> Node | None:
    expert = _operand(expression.expert, expression, scope, world, "strength")
    strength = build(expression.strength, scope, world)
    if expert is None or strength is None:
        return None
    if not wanted(strength, (Kind.NUMBER,), "a strength", expression.strength.span, world):
        return None
    spans = (expression.expert.span, expression.strength.span)
    return make("strength", (expert, strength), origin=Origin(expression.span, spans))


def _region(expression: tree.Region, scope: Scope, world: World) -> Node | None:
    expert = _operand(expression.expert, expression, scope, world, "region")
    region = build(expression.region, scope, world)
    if expert is None or region is None:
        return None
    if not wanted(region, (Kind.MASK,), "a region", expression.region.span, world):
        return None
    spans = (expression.expert.span, expression.region.span)
    return make("region", (expert, region), origin=Origin(expression.span, spans))


def _window(expression: tree.Window, scope: Scope, world: World) -> Node | None:
    expert = _operand(expression.expert, expression, scope, world, "window")
    start = build(expression.start, scope, world)
    end = build(expression.end, scope, world)
    if expert is None or start is None or end is None:
        return None
    bounds = ((start, expression.start.span), (end, expression.end.span))
    if not all([wanted(node, (Kind.FRACTION,), "a window", span, world) for node, span in bounds]):
        return None
    spans = (expression.expert.span, expression.start.span, expression.end.span)
    return make("window", (expert, start, end), origin=Origin(expression.span, spans))
