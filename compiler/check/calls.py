"""Calls: which verb or fragment, which argument for which parameter."""

from __future__ import annotations

from collections.abc import Callable as Function

from mosaic.compiler import errors
from mosaic.compiler.check.found import build_find, partial
from mosaic.compiler.check.fusion import build_fuse
from mosaic.compiler.check.kinds import wanted
from mosaic.compiler.check.prompts import build_prompts
from mosaic.compiler.check.ranges import build_value
from mosaic.compiler.check.scope import Callable, Module, Scope, Value
from mosaic.compiler.check.world import World
from mosaic.compiler.ir.evaluate import constant
from mosaic.compiler.ir.graph import Node, Origin, absent
from mosaic.compiler.ir.ops import make
from mosaic.compiler.near import nearest
from mosaic.compiler.source import Span
from mosaic.compiler.syntax import tree
from mosaic.compiler.types import EXPERTS, Kind
from mosaic.compiler.verbs import VERBS, Verb

Build = Function[[tree.Expression, Scope, World], Node | None]


def build_call(call: tree.Call, scope: Scope, world: World, build: Build) -> Node | None:
    """The node of a call, or None with a diagnostic."""
    head, *rest = call.function.parts
    binding = scope.find(head)
    if isinstance(binding, Module) and len(rest) == 1:
        member = binding.members.get(rest[0])
        if member is None:
            near = nearest(rest[0], binding.members)
            world.sink.add(
                errors.names.NotAModule(call.function.span, rest[0], head, near and f"{head}.{near}")
            )
            _build_arguments(call, scope, world, build)
            return None
        return _fragment(call, member, scope, world, build)
    if isinstance(binding, Callable) and not rest:
        return _fragment(call, binding, scope, world, build)
    verb = VERBS.get(call.function.text)
    if verb is None:
        callables = [name for name in scope.known() if isinstance(scope.find(name), Callable)]
        near = nearest(call.function.text, [*VERBS, *callables])
        world.sink.add(errors.names.UnknownFunction(call.function.span, call.function.text, near))
        _build_arguments(call, scope, world, build)
        return None
    if not verb.available:
        world.sink.add(errors.names.NotAvailable(call.function.span, f"`{verb.name}`"))
        _mark_used(call, scope)
        return None
    if verb.name == "fuse":
        return build_fuse(call, verb, scope, world, build)
    return _verb(call, verb, scope, world, build)


def _verb(call: tree.Call, verb: Verb, scope: Scope, world: World, build: Build) -> Node | None:
    given = _bind(call, verb, world)
    if given is None:
        if verb.name != "find":  # the kind is a bare word, and no name
            _build_arguments(call, scope, world, build)  # for their own mistakes
        return None
    if verb.name == "find":
        return build_find(call, given, scope, world, build)
    nodes: list[Node | None] = []
    spans: list[Span | None] = []
    sound = True
    for parameter in verb.parameters:
        argument = given.get(parameter.name)
        spans.append(argument.value.span if argument else None)
        if argument is None:
            nodes.append(absent())
            continue
        if isinstance(argument.value, tree.List) and Kind.PROMPTS in parameter.kinds:
            node = build_prompts(argument.value, verb.name, scope, world, build)
        elif parameter.ranged:
            node = build_value(argument.value, scope, world, build)
        else:
            node = build(argument.value, scope, world)
        if node is not None and not _fits(
            node, parameter.kinds, verb.name, parameter.name, argument.value, world
        ):
            node = None
        nodes.append(node)
        sound = sound and node is not None
    if not sound:
        return None
    inputs = tuple(node for node in nodes if node is not None)
    if verb.result in EXPERTS or verb.name == "load_image":
        found = _from_outside(verb, inputs[0], spans[0] or call.span, call, world)
        if found is None or "partial" not in given:
            return found
        return partial(found, inputs[1], call, given["partial"], world)
    if verb.name == "mask":
        return _mask(verb, inputs, spans, call, world)
    if verb.name == "align" and "by" in given:
        found = _from_outside(verb, inputs[2], spans[2] or call.span, call, world)
        if found is None:
            return None
        inputs = (*inputs[:2], found)
    return make(verb.name, inputs, origin=Origin(call.span, tuple(spans)))


def _mask(
    verb: Verb, inputs: tuple[Node, ...], spans: list[Span | None], call: tree.Call, world: World
) -> Node | None:
    path, span = constant(inputs[0]), spans[0] or call.span
    if not isinstance(path, str):
        world.sink.add(
            errors.types.NotAnOperand(
                span, f"`{verb.name}`", "needs a name that is known when the plan is read"
            )
        )
        return None
    return world.mask(path, inputs[1], span, Origin(call.span, (spans[1],)))


def _from_outside(verb: Verb, reference: Node, span: Span, call: tree.Call, world: World) -> Node | None:
    text = constant(reference)
    if not isinstance(text, str):
        advice = "a fragment takes the expert itself: `define f(style: lora) -> model { … }`"
        world.sink.add(
            errors.types.NotAnOperand(
                span, f"`{verb.name}`", "needs a name that is known when the plan is read", advice
            )
        )
        return None
    if verb.name == "load_image":
        return world.image(text, span)
    return world.expert(Kind.BRIDGE if verb.name == "align" else verb.result, text, span)


def _bind(call: tree.Call, verb: Verb, world: World) -> dict[str, tree.Argument] | None:
    """Arguments by parameter name, or None where the call does not fit (all misfits are reported)."""
    positional = [p for p in verb.parameters if p.positional]
    named = [p.name for p in verb.parameters if not p.positional]
    given: dict[str, tree.Argument] = {}
    sound = True
    places = iter(positional)
    for argument in call.arguments:
        if argument.name is None:
            place = next(places, None)
            if place is None:
                free = [name for name in named if name not in given and _named(call, name) is None]
                world.sink.add(
                    errors.types.TooManyArguments(
                        argument.span, verb.name, len(positional), free[0] if free else None
                    )
                )
                sound = False
                continue
            given[place.name] = argument
            continue
        name = argument.name.text
        if verb.parameter(name) is None:
            known = tuple(p.name for p in verb.parameters)
            world.sink.add(
                errors.names.UnknownArgument(
                    argument.name.span, verb.name, name, nearest(name, known), tuple(named)
                )
            )
            sound = False
        elif name in given:
            world.sink.add(errors.types.ArgumentTwice(argument.name.span, name, given[name].span))
            sound = False
        else:
            given[name] = argument
    for parameter in verb.parameters:
        # With another misfit in the call, a missing argument is most likely the same mistake.
        if parameter.required and parameter.name not in given and sound:
            world.sink.add(
                errors.names.MissingArgument(call.function.span, verb.name, parameter.name, parameter.doc)
            )
            return None
    return given if sound else None


def _named(call: tree.Call, name: str) -> tree.Argument | None:
    return next((a for a in call.arguments if a.name and a.name.text == name), None)


def _fits(
    node: Node, kinds: tuple[Kind, ...], function: str, name: str, value: tree.Expression, world: World
) -> bool:
    return wanted(node, kinds, f"`{name}` of `{function}`", value.span, world)


def _fragment(call: tree.Call, target: Callable, scope: Scope, world: World, build: Build) -> Node | None:
    name = call.function.text
    given: dict[str, tree.Argument] = {}
    order = [parameter.name for parameter in target.parameters]
    sound = True
    position = 0
    for argument in call.arguments:
        if argument.name is None:
            if position >= len(order):
                world.sink.add(errors.types.TooManyArguments(argument.span, name, len(order)))
                sound = False
                continue
            key, position = order[position], position + 1
        else:
            key = argument.name.text
        if key not in order:
            world.sink.add(
                errors.names.UnknownArgument(argument.span, name, key, nearest(key, order), tuple(order))
            )
            sound = False
        elif key in given:
            world.sink.add(errors.types.ArgumentTwice(argument.span, key, given[key].span))
            sound = False
        else:
            given[key] = argument
    inputs: list[Node] = []
    spans: list[Span | None] = []
    for parameter in target.parameters:
        found = given.get(parameter.name)
        spans.append(found.value.span if found else None)
        if found is None and parameter.default is None:
            if sound:
                world.sink.add(
                    errors.names.MissingArgument(
                        call.function.span, name, parameter.name, f"a {parameter.kind}"
                    )
                )
            sound = False
            continue
        node = parameter.default
        if found:
            is_count = parameter.kind is Kind.INT
            node = (
                build_value(found.value, scope, world, build)
                if is_count
                else build(found.value, scope, world)
            )
        if node is None or (
            found and not _fits(node, (parameter.kind,), name, parameter.name, found.value, world)
        ):
            sound = False
            continue
        inputs.append(node)
    if not sound or target.fragment is None:
        return None
    world.fragments.setdefault(target.key, target.fragment)
    result = {"kind": target.result.value, "family": None, "space": None, "prediction": None}
    origin = Origin(call.span, tuple(spans))
    return make("call", tuple(inputs), {"fragment": target.key, **result}, origin=origin)


def _build_arguments(call: tree.Call, scope: Scope, world: World, build: Build) -> None:
    """Check what stands inside a call of something unknown: its mistakes are mistakes too."""
    for argument in call.arguments:
        build(argument.value, scope, world)


def _mark_used(call: tree.Call, scope: Scope) -> None:
    for argument in call.arguments:
        if isinstance(argument.value, tree.Reference):
            binding = scope.find(argument.value.parts[0])
            if isinstance(binding, Value):
                binding.used = True
