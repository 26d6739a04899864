"""`steps: 12..30`: a range of whole numbers that the compiler chooses from."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor, isfinite

from mosaic.compiler import errors
from mosaic.compiler.check.kinds import article
from mosaic.compiler.check.scope import Scope
from mosaic.compiler.check.world import World
from mosaic.compiler.ir.evaluate import constant
from mosaic.compiler.ir.graph import Node, Origin
from mosaic.compiler.ir.ops import make
from mosaic.compiler.syntax import tree
from mosaic.compiler.types import Kind, accepts

Build = Callable[[tree.Expression, Scope, World], Node | None]


def build_value(expression: tree.Expression, scope: Scope, world: World, build: Build) -> Node | None:
    """The node of an expression where a range may stand, or None with a diagnostic.

    Whether the value comes to be a number of steps is seen once fragments are inlined.
    """
    if not isinstance(expression, tree.Range):
        return build(expression, scope, world)
    low = _bound(expression.low, ceil, scope, world, build)
    high = _bound(expression.high, floor, scope, world, build)
    if low is None or high is None:
        return None
    origin = Origin(expression.span, (expression.low.span, expression.high.span))
    return make("range", (low, high), {"taken": None}, origin=origin)


def _bound(
    expression: tree.Expression, whole: Callable[[float], int], scope: Scope, world: World, build: Build
) -> Node | None:
    node = build(expression, scope, world)
    if node is None or accepts(Kind.INT, node.type.kind):
        return node
    value = constant(node) if isinstance(expression, tree.Literal) and node.type.kind is Kind.NUMBER else None
    near = str(whole(value)) if isinstance(value, float) and isfinite(value) else None
    given = article(node.type.kind)
    world.sink.add(errors.types.TypeMismatch(expression.span, "a range of steps", "an int", given, near))
    return None
