"""From a syntax tree to surface graphs: imports, parameters, fragments, plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mosaic.compiler import errors
from mosaic.compiler.check.body import build_fragment_body, build_plan_body
from mosaic.compiler.check.budget import build_budget
from mosaic.compiler.check.expressions import build
from mosaic.compiler.check.kinds import wanted
from mosaic.compiler.check.policy import build_policy
from mosaic.compiler.check.ranges import build_value
from mosaic.compiler.check.scope import Callable, FragmentParameter, Module, Scope, Value
from mosaic.compiler.check.values import read_value
from mosaic.compiler.check.world import World
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic, Sink
from mosaic.compiler.ir.evaluate import constant, operand
from mosaic.compiler.ir.finds import spelling
from mosaic.compiler.ir.graph import Attribute, Graph, Node, Origin, scalar
from mosaic.compiler.ir.ops import make
from mosaic.compiler.near import nearest
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.syntax import tree
from mosaic.compiler.syntax.parse import parse
from mosaic.compiler.types import EXPERTS, SCALARS, WRITABLE, Kind


@dataclass(frozen=True)
class Checked:
    """What a file says: one surface graph a plan, the values its parameters took, the texts it imports."""

    graphs: tuple[Graph, ...]
    parameters: Mapping[str, Attribute]
    libraries: Mapping[str, str]


def check_file(file: tree.File, context: Context, given: Mapping[str, object], sink: Sink) -> Checked:
    """Resolve names and kinds of a file. Mistakes go to the sink; a plan with mistakes gives no graph."""
    world = World(context, sink)
    scope = Scope()
    values = _declare(file, scope, world, given, (file.source,))
    known = [item.name.text for item in file.items if isinstance(item, tree.Parameter)]
    for name in given:
        if name not in known:
            sink.add(
                errors.names.BadParameter(None, name, "this file has no such parameter", nearest(name, known))
            )
    _distinct_plans(file, sink)
    policy = build_policy([item for item in file.items if isinstance(item, tree.Policy)], scope, world)
    budget = build_budget([item for item in file.items if isinstance(item, tree.Budget)], scope, world)
    graphs = []
    for item in file.items:
        if isinstance(item, tree.Plan):
            graph = build_plan_body(item, Scope(scope), world, policy, budget)
            if graph is not None:
                graphs.append(graph)
    return Checked(tuple(graphs), values, dict(world.libraries))


def _declare(
    file: tree.File,
    scope: Scope,
    world: World,
    given: Mapping[str, object],
    importers: tuple[SourceFile, ...],
) -> dict[str, Attribute]:
    """Bind a file's imports, parameters and fragments, in order. Returns the parameters' values."""
    values: dict[str, Attribute] = {}
    for item in file.items:
        match item:
            case tree.Use():
                _use(item, scope, world, importers)
            case tree.Parameter():
                node = _parameter(item, scope, world, given)
                scope.bind(item.name, Value(node, item.name.span), world.sink)
                if node is not None:
                    values[item.name.text] = _told(node)
            case tree.Define():
                scope.bind(item.name, _define(item, scope, world), world.sink)
            case _:
                pass
    return values


def _told(node: Node) -> Attribute:
    """The value of a parameter as a program tells it; what `find` chose is filled in once that is known."""
    below = operand(node)
    if below.op == "find":
        return spelling(str(below.attribute("kind")), str(below.attribute("words")))
    return below.name if below.op == "expert" else constant(below)


def _distinct_plans(file: tree.File, sink: Sink) -> None:
    """Plans have a name space of their own: `let alley` inside `plan alley` is nobody's mistake."""
    first: dict[str, Span] = {}
    for item in file.items:
        if isinstance(item, tree.Plan):
            earlier = first.setdefault(item.name.text, item.name.span)
            if earlier is not item.name.span:
                sink.add(errors.names.BoundTwice(item.name.span, item.name.text, earlier))


def _use(item: tree.Use, scope: Scope, world: World, importers: tuple[SourceFile, ...]) -> None:
    reference = (item.module.plain or "") if isinstance(item.module, tree.Text) else item.module.text
    name = imported_as(item)
    found = world.context.files.fragment(reference, item.module.span)
    members: dict[str, Callable] = {}
    if isinstance(found, Diagnostic):
        world.sink.add(found)
        scope.bind(name, Value(None, name.span), world.sink)
        return
    if found in importers:
        circle = [*(source.name for source in importers[importers.index(found) :]), found.name]
        world.sink.add(errors.names.ImportCycle(item.module.span, " → ".join(circle)))
        scope.bind(name, Value(None, name.span), world.sink)
        return
    file = parse(found, world.sink)
    if file is not None:
        world.libraries[found.name] = found.text
        inside = Scope()
        _declare(file, inside, world, {}, (*importers, found))
        members = {key: value for key, value in inside.names.items() if isinstance(value, Callable)}
    scope.bind(name, Module(name.text, members, name.span), world.sink)


def imported_as(item: tree.Use) -> tree.Name:
    """The name that an import has in its file."""
    if item.alias is not None:
        return item.alias
    if isinstance(item.module, tree.Reference):
        return tree.Name(item.module.parts[-1], item.module.span)
    path = (item.module.plain or "").replace("\\", "/")
    return tree.Name(path.rsplit("/", 1)[-1].removesuffix(".mosaic"), item.module.span)


def _kind(name: tree.Name, world: World) -> Kind | None:
    if name.text in WRITABLE:
        return Kind(name.text)
    aliases = {"string": "text", "str": "text", "float": "number", "bool": "flag", "integer": "int"}
    near = aliases.get(name.text) or nearest(name.text, WRITABLE)
    world.sink.add(
        errors.types.UnknownType(name.span, name.text, near, tuple(kind.value for kind in WRITABLE))
    )
    return None


def _parameter(item: tree.Parameter, scope: Scope, world: World, given: Mapping[str, object]) -> Node | None:
    kind = _kind(item.type, world)
    node = build(item.default, scope, world) if item.default else None
    if kind is None:
        return None
    name = item.name.text
    if kind not in SCALARS and kind not in EXPERTS:
        world.sink.add(
            errors.names.BadParameter(item.name.span, name, f"a {kind} cannot be given from outside")
        )
        return None
    if item.default is not None and node is not None:
        if not wanted(node, (kind,), f"`{name}`", item.default.span, world):
            return None
        node = _as(kind, node)
    if name in given:
        return _override(item, kind, given[name], world)
    if item.default is None:
        world.sink.add(
            errors.names.BadParameter(
                item.name.span, name, f"has no default and is not given (`--set {name}=…`)"
            )
        )
    return node


def _as(kind: Kind, node: Node) -> Node:
    """A constant of the declared kind: `param w: number = 1` is the number 1.0."""
    if node.op != "const" or node.type.kind is kind:
        return node
    value = node.attribute("value")
    return scalar(kind, float(value) if isinstance(value, int) else value, node.origin)


def _override(item: tree.Parameter, kind: Kind, value: object, world: World) -> Node | None:
    if kind in EXPERTS:
        return world.expert(kind, str(value), item.name.span)
    try:
        return scalar(kind, read_value(kind, value), Origin(item.name.span))
    except ValueError as reason:
        world.sink.add(errors.names.BadParameter(item.name.span, item.name.text, str(reason)))
        return None


def _define(item: tree.Define, scope: Scope, world: World) -> Callable:
    result = _kind(item.result, world)
    inner = Scope(scope)
    parameters: list[FragmentParameter] = []
    arguments: list[Node] = []
    for index, parameter in enumerate(item.parameters):
        kind = _kind(parameter.type, world)
        argument = _argument(index, kind, parameter.name.span) if kind else None
        inner.bind(parameter.name, Value(argument, parameter.name.span), world.sink)
        if kind is None or argument is None:
            continue
        default = _default(parameter.default, kind, scope, world) if parameter.default else None
        if parameter.default and default is not None:
            if not wanted(default, (kind,), f"`{parameter.name.text}`", parameter.default.span, world):
                default = None
            else:
                default = _as(kind, default)
        parameters.append(FragmentParameter(parameter.name.text, kind, default))
        arguments.append(argument)
    sound = len(parameters) == len(item.parameters)
    key = f"{item.span.source.name}:{item.name.text}"
    fragment = build_fragment_body(item, key, tuple(arguments), result, inner, world)
    return Callable(key, tuple(parameters), result or Kind.MODEL, fragment if sound else None, item.name.span)


def _default(expression: tree.Expression, kind: Kind, scope: Scope, world: World) -> Node | None:
    return (
        build_value(expression, scope, world, build) if kind is Kind.INT else build(expression, scope, world)
    )


def _argument(index: int, kind: Kind, span: Span) -> Node:
    attributes = {"index": index, "kind": kind.value, "family": None, "space": None, "prediction": None}
    return make("argument", (), attributes, origin=Origin(span))
