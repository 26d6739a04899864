"""`fuse`: a base, operands with strengths, and the operators that the author allows."""

from __future__ import annotations

import json
from collections.abc import Callable

from mosaic.compiler import errors
from mosaic.compiler.check.kinds import article, wanted
from mosaic.compiler.check.scope import Scope
from mosaic.compiler.check.settings import misuse
from mosaic.compiler.check.world import World
from mosaic.compiler.ir.evaluate import constant
from mosaic.compiler.ir.graph import Attribute, Node, Origin
from mosaic.compiler.ir.ops import make
from mosaic.compiler.near import nearest
from mosaic.compiler.operators import Operator
from mosaic.compiler.source import Span
from mosaic.compiler.syntax import tree
from mosaic.compiler.types import Kind
from mosaic.compiler.verbs import Verb

Build = Callable[[tree.Expression, Scope, World], Node | None]
Choices = dict[str, dict[str, Attribute]]
"""The operators that the author allows, in order, each with its settings. Empty: the compiler chooses."""


def build_fuse(call: tree.Call, verb: Verb, scope: Scope, world: World, build: Build) -> Node | None:
    """A `fuse` node with the operator still open, or None with a diagnostic."""
    choices: Choices | None = {}
    via: tree.Argument | None = None
    operands: list[tree.Argument] = []
    sound = True
    for argument in call.arguments:
        name = argument.name.text if argument.name else None
        if name == "via" and via is not None:
            world.sink.add(errors.types.ArgumentTwice(argument.span, "via", via.span))
            sound = False
        elif name == "via":
            via = argument
            choices = _choices(argument.value, scope, world, build)
        elif name is not None and argument.name is not None and name != "base":
            world.sink.add(
                errors.names.UnknownArgument(
                    argument.name.span, "fuse", name, nearest(name, ("via",)), ("via",)
                )
            )
            sound = False
        else:
            operands.append(argument)
    if not operands:
        world.sink.add(
            errors.names.MissingArgument(call.function.span, "fuse", "base", "the model to build on")
        )
        return None
    nodes = [
        _operand(argument.value, position, verb, scope, world, build)
        for position, argument in enumerate(operands)
    ]
    known = tuple(node for node in nodes if node is not None)
    if choices is None or not sound or len(known) < len(nodes):
        return None
    spans: tuple[Span | None, ...] = tuple(argument.value.span for argument in operands)
    attributes = {
        "operator": ",".join(choices) or "auto",
        "settings": json.dumps(choices, sort_keys=True),
        "ends_in": "",
    }
    return make("fuse", known, attributes, origin=Origin(call.span, (*spans, via.span if via else None)))


def _operand(
    expression: tree.Expression, position: int, verb: Verb, scope: Scope, world: World, build: Build
) -> Node | None:
    node = build(expression, scope, world)
    if node is None:
        return None
    if position == 0:
        return node if wanted(node, (Kind.MODEL,), "the base of `fuse`", expression.span, world) else None
    kind = node.type.kind
    if kind is Kind.CONTROL:
        world.sink.add(errors.names.NotAvailable(expression.span, "fusing a control"))
        return None
    if kind in verb.variadic:
        return node
    advice = "operands are models and experts: `lora`, `embedding`, `checkpoint`, `vae`"
    world.sink.add(
        errors.types.NotAnOperand(expression.span, article(kind), "is no operand of `fuse`", advice)
    )
    return None


def _choices(value: tree.Expression, scope: Scope, world: World, build: Build) -> Choices | None:
    items = value.items if isinstance(value, tree.List) else (value,)
    choices: Choices = {}
    sound = True
    for item in items:
        match item:
            case tree.Reference(parts=("auto",)) if len(items) == 1:
                return {}
            case tree.Reference():
                settings: dict[str, Attribute] | None = {}
                name, span = item.text, item.span
            case tree.Call():
                name, span = item.function.text, item.function.span
                settings = {}
            case _:
                world.sink.add(errors.types.TypeMismatch(item.span, "`via`", "an operator", "something else"))
                return None
        operator = _operator(name, span, world)
        if operator is None:
            sound = False
            continue
        if isinstance(item, tree.Call):
            settings = _settings(item, operator, scope, world, build)
        if settings is None:
            sound = False
            continue
        choices[name] = settings
    return choices if sound else None


def _operator(name: str, span: Span, world: World) -> Operator | None:
    operators = world.context.operators
    if name in operators:
        return operators[name]
    near = nearest(name, operators)
    world.sink.add(errors.names.UnknownOperator(span, name, near, tuple(sorted(operators))))
    return None


def _settings(
    call: tree.Call, operator: Operator, scope: Scope, world: World, build: Build
) -> dict[str, Attribute] | None:
    schema = {setting.name: setting for setting in operator.settings}
    settings: dict[str, Attribute] = {}
    sound = True
    for argument in call.arguments:
        name = argument.name.text if argument.name else ""
        if name not in schema:
            world.sink.add(
                errors.names.UnknownArgument(
                    argument.span, operator.name, name or "this", nearest(name, schema), tuple(schema)
                )
            )
            sound = False
            continue
        node = build(argument.value, scope, world)
        if node is None or not wanted(
            node, (schema[name].kind,), f"`{name}` of `{operator.name}`", argument.value.span, world
        ):
            sound = False
            continue
        value = constant(node)
        if value is None:
            world.sink.add(
                errors.types.NotAnOperand(
                    argument.value.span, f"`{name}`", "needs a value that is known when the plan is read"
                )
            )
            sound = False
            continue
        wrong = misuse(operator, schema[name], value, argument.value.span)
        if wrong is not None:
            world.sink.add(wrong)
            sound = False
            continue
        settings[name] = value
    return settings if sound else None
