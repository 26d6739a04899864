"""`budget { … }`: its keys and units, and the value that operators are chosen under."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mosaic.compiler import errors
from mosaic.compiler.check.entries import entries
from mosaic.compiler.check.expressions import build
from mosaic.compiler.check.kinds import wanted
from mosaic.compiler.check.scope import Scope
from mosaic.compiler.check.world import World
from mosaic.compiler.cost.budget import Budget
from mosaic.compiler.ir.evaluate import constant, spelled
from mosaic.compiler.near import nearest
from mosaic.compiler.source import Span
from mosaic.compiler.syntax import tree
from mosaic.compiler.types import Kind
from mosaic.compiler.verbs import BUDGET_KEYS


def build_budget(blocks: Sequence[tree.Budget], scope: Scope, world: World) -> Budget | None:
    """The budget that some blocks of one level say together, or None where there is none.

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
            said.append((entry.key.text, entry.value.span))
    return Budget(**values, said=tuple(said))


def _value(entry: tree.Entry, scope: Scope, world: World) -> Any:
    key = entry.key.text
    kind = BUDGET_KEYS.get(key)
    if kind is None:
        near = nearest(key, BUDGET_KEYS)
        world.sink.add(errors.types.UnknownKey(entry.key.span, key, "budget", tuple(BUDGET_KEYS), near))
        return None
    node = build(entry.value, scope, world)
    if node is None or not wanted(node, (kind,), f"`{key}`", entry.value.span, world):
        return None
    value = constant(node)
    rule = "lies between 0% and 100%" if kind is Kind.FRACTION else "is more than nothing"
    is_sensible = isinstance(value, int | float) and (0 <= value <= 1 if kind is Kind.FRACTION else value > 0)
    if value is not None and not is_sensible:
        shown = spelled(value)
        world.sink.add(errors.types.OutOfRange(entry.value.span, f"`{key}`", rule, shown))
        return None
    return value
