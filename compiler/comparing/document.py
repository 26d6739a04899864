"""A comparison as data, for programs: the JSON shape that docs/json.md describes."""

from __future__ import annotations

from typing import Any

from mosaic.compiler.comparing.changes import Change, Comparison, EmitChange, PlanChange, Side

VERSION = 1
"""Of the shape. A change that would break a reader raises it."""


def document(comparison: Comparison, names: tuple[str, str]) -> dict[str, Any]:
    """Plain data; `names` are those of the two sides."""
    return {
        "version": VERSION,
        "old": names[0],
        "new": names[1],
        "differs": comparison.differs,
        "plans": [_plan(plan) for plan in comparison.plans],
        "notes": list(comparison.notes),
    }


def _plan(plan: PlanChange) -> dict[str, Any]:
    old, new = plan.old_name, plan.new_name
    return {
        "plan": plan.name,
        "state": str(plan.state),
        "old": None if old is None else {"file": old[0], "plan": old[1], "program": plan.programs[0]},
        "new": None if new is None else {"file": new[0], "plan": new[1], "program": plan.programs[1]},
        "changes": [_change(change) for change in plan.changes],
        "emits": [_emit(emit) for emit in plan.emits],
        "rights": [_change(change) for change in plan.rights],
        "costs": [_change(change) for change in plan.costs],
    }


def _emit(emit: EmitChange) -> dict[str, Any]:
    return {
        "emits": list(emit.emits),
        "state": str(emit.state),
        "was": emit.was or None,
        "type": emit.type,
        "changes": [_change(change) for change in emit.changes],
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "aspect": str(change.aspect),
        "of": change.of or None,
        "at": change.at or None,
        "state": str(change.state),
        "old": _side(change.old),
        "new": _side(change.new),
    }


def _side(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    place = side.place
    return {
        "value": list(side.value) if isinstance(side.value, tuple) else side.value,
        "text": side.text,
        "reason": side.reason or None,
        "place": None if place is None else {"file": place.file, "line": place.line},
    }
