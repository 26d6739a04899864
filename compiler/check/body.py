"""The statements of plans and fragments."""

from __future__ import annotations

from mosaic.compiler import errors
from mosaic.compiler.check.budget import build_budget
from mosaic.compiler.check.expressions import build
from mosaic.compiler.check.kinds import wanted
from mosaic.compiler.check.policy import build_policy
from mosaic.compiler.check.ranges import build_value
from mosaic.compiler.check.scope import Scope, Value
from mosaic.compiler.check.world import World
from mosaic.compiler.cost.budget import Budget
from mosaic.compiler.ir.graph import Fragment, Graph, Node, Origin
from mosaic.compiler.ir.ops import make
from mosaic.compiler.policy.policy import Policy
from mosaic.compiler.removing import removal
from mosaic.compiler.syntax import tree
from mosaic.compiler.types import EXPERTS, Kind


def build_plan_body(
    plan: tree.Plan, scope: Scope, world: World, policy: Policy | None = None, budget: Budget | None = None
) -> Graph | None:
    """The surface graph of a plan, or None where a statement was wrong. `policy` and `budget` are the file's: the
    plan's go first."""
    emits: list[Node] = []
    bindings: list[tuple[str, Node]] = []
    sound = True
    for statement in plan.body:
        match statement:
            case tree.Let():
                node = _let(statement, scope, world)
                sound = sound and node is not None
                if node is not None:
                    bindings.append((statement.name.text, node))
            case tree.Emit():
                emit = _emit(statement, scope, world)
                sound = sound and emit is not None
                if emit is not None:
                    emits.append(emit)
            case tree.Return():
                world.sink.add(
                    errors.types.MisplacedStatement(
                        statement.span, "a plan does not return", 'a plan emits: `emit … as "file"`'
                    )
                )
                sound = False
    limits = build_budget([item for item in plan.body if isinstance(item, tree.Budget)], scope, world)
    budget = limits.under(budget) if limits else budget
    own = build_policy([item for item in plan.body if isinstance(item, tree.Policy)], scope, world)
    policy = own.under(policy) if own else policy
    # What is missing is only told of a plan that was read whole.
    if not any(d.code.startswith("M1") for d in world.sink):
        _missing(plan, bindings, scope, world)
    if not emits:
        return None
    if not sound:
        return None
    return Graph(plan.name.text, tuple(emits), tuple(bindings), dict(world.fragments), policy, budget)


def _missing(plan: tree.Plan, bindings: list[tuple[str, Node]], scope: Scope, world: World) -> None:
    lets = {item.name.span: item for item in plan.body if isinstance(item, tree.Let)}
    # Next to another mistake the name may be what was meant there.
    is_sure = not world.sink.has_errors
    for name, node in bindings:
        binding = scope.names.get(name)
        if node.type.kind in EXPERTS and isinstance(binding, Value) and not binding.used:
            edit = removal(lets[binding.span].span) if is_sure else None
            world.sink.add(errors.names.UnusedExpert(binding.span, node.type.kind.value, name, edit))
    if not any(isinstance(statement, tree.Emit) for statement in plan.body):
        world.sink.add(errors.types.EmitsNothing(plan.name.span, plan.name.text))


def build_fragment_body(
    item: tree.Define, key: str, arguments: tuple[Node, ...], result: Kind | None, scope: Scope, world: World
) -> Fragment | None:
    """The body of a `define` as a graph over its arguments, or None where a statement was wrong."""
    returned: Node | None = None
    returns = 0
    for statement in item.body:
        match statement:
            case tree.Let():
                _let(statement, scope, world)
            case tree.Return():
                returns += 1
                returned = build(statement.value, scope, world)
                if returned is not None and result is not None:
                    where = f"the result of `{item.name.text}`"
                    if not wanted(returned, (result,), where, statement.value.span, world):
                        returned = None
            case tree.Emit() | tree.Budget() | tree.Policy():
                what = type(statement).__name__.lower()
                world.sink.add(
                    errors.types.MisplacedStatement(
                        statement.span, f"a fragment has no `{what}`", "this belongs in a plan"
                    )
                )
    if returns != 1:
        reason = f"fragment `{item.name.text}` returns {'nothing' if returns == 0 else 'more than once'}"
        world.sink.add(
            errors.types.MisplacedStatement(item.name.span, reason, "a fragment ends in one `return`")
        )
        return None
    return Fragment(key, arguments, returned) if returned is not None and result is not None else None


def _let(statement: tree.Let, scope: Scope, world: World) -> Node | None:
    node = build_value(statement.value, scope, world, build)
    scope.bind(statement.name, Value(node, statement.name.span), world.sink)
    return node


def _emit(statement: tree.Emit, scope: Scope, world: World) -> Node | None:
    value = build(statement.value, scope, world)
    path = build(statement.path, scope, world)
    if value is None or path is None:
        return None
    kinds = (Kind.IMAGE, Kind.LATENT, Kind.MODEL)
    if not wanted(value, kinds, "`emit`", statement.value.span, world):
        return None
    spans = (statement.value.span, statement.path.span)
    return make("emit", (value, path), origin=Origin(statement.span, spans))
