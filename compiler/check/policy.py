"""`policy { … }`: its keys, its words, and the value that the rules judge by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mosaic.compiler import errors
from mosaic.compiler.check.entries import entries
from mosaic.compiler.check.expressions import build
from mosaic.compiler.check.kinds import wanted
from mosaic.compiler.check.scope import Scope
from mosaic.compiler.check.world import World
from mosaic.compiler.ir.evaluate import constant
from mosaic.compiler.near import nearest
from mosaic.compiler.policy.policy import Policy
from mosaic.compiler.policy.territories import read, usual
from mosaic.compiler.source import Span
from mosaic.compiler.syntax import tree
from mosaic.compiler.types import Kind
from mosaic.compiler.verbs import POLICY_KEYS


def build_policy(blocks: Sequence[tree.Policy], scope: Scope, world: World) -> Policy | None:
    """The policy that some blocks of one level say together, or None where there is none.

    An entry that is wrong is reported and left out; so is a key that was given before.
    """
    if not blocks:
        return None
    values: dict[str, Any] = {}
    said: list[tuple[str, Span]] = []
    for entry in entries(blocks, world):
        value = _value(entry, scope, world)
        if value is not None:
            values[entry.key.text] = value
            said.append((entry.key.text, entry.span))
    return Policy(**values, span=blocks[0].span, said=tuple(said))


def _value(entry: tree.Entry, scope: Scope, world: World) -> Any:
    key, value = entry.key.text, entry.value
    choices = POLICY_KEYS.get(key)
    if choices is None:
        near = nearest(key, POLICY_KEYS)
        world.sink.add(errors.types.UnknownKey(entry.key.span, key, "policy", tuple(POLICY_KEYS), near))
        return None
    if isinstance(choices, Kind):
        node = build(value, scope, world)
        if node is None or not wanted(node, (choices,), f"`{key}`", value.span, world):
            return None
        return _sensible(key, constant(node), value.span, world)
    if not isinstance(value, tree.Reference):
        names = " or ".join(f"`{choice}`" for choice in choices)
        world.sink.add(errors.types.TypeMismatch(value.span, f"`{key}`", names, "something else"))
        return None
    if value.text not in choices:
        near = nearest(value.text, choices)
        world.sink.add(errors.types.UnknownKey(value.span, value.text, f"policy {key}", choices, near))
        return None
    return value.text


def _sensible(key: str, value: Any, span: Span, world: World) -> Any:
    if key == "territory":
        try:
            return read(str(value))
        except ValueError as error:
            part = str(error)
            world.sink.add(errors.policy.UnknownTerritory(span, part, usual(part)))
            return None
    if key == "revenue" and not 0 <= value < float("inf"):
        world.sink.add(errors.policy.NegativeRevenue(span))
        return None
    return value
