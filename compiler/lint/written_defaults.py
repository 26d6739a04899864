"""M010: settings that are so without being written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic, Edit
from mosaic.compiler.lint.constants import resolved
from mosaic.compiler.lint.idle_operands import pinned
from mosaic.compiler.lint.names import Body, calls, operators
from mosaic.compiler.lint.subject import Subject
from mosaic.compiler.operators import Setting
from mosaic.compiler.removing import argument_removal
from mosaic.compiler.syntax import tree

FIXED: Final[dict[str, dict[str, object]]] = {
    "sample": {"negative": "", "until": 1.0},
    "resume": {"until": 1.0},
    "lora": {"partial": False},
}
"""Defaults of verbs that never depend on a model, nor on what a latent was made with."""


def written_defaults(subject: Subject) -> Iterator[Diagnostic]:
    """Settings of operators, and what a verb takes unless told; where the values stand in the text."""
    for call, body in calls(subject.file, "fuse"):
        via = pinned(call)
        if via is None:
            continue
        if isinstance(via.value, tree.Reference) and via.value.text == "auto":
            yield from _told(call, call.arguments.index(via), "fuse")
        for operator in operators(via.value):
            if isinstance(operator, tree.Call):
                known = subject.context.operators[operator.function.text].settings
                yield from _of_operator(operator, {each.name: each for each in known}, body)
    for call, body in calls(subject.file, *FIXED):
        fixed = FIXED[call.function.text]
        for position, argument in enumerate(call.arguments):
            name = argument.name.text if argument.name else ""
            if name in fixed and _is(argument.value, fixed[name], body):
                yield from _told(call, position, call.function.text)


def _of_operator(call: tree.Call, known: dict[str, Setting], body: Body) -> Iterator[Diagnostic]:
    for position, argument in enumerate(call.arguments):
        setting = known.get(argument.name.text) if argument.name else None
        if setting is not None and _is(argument.value, setting.default, body):
            yield from _told(call, position, call.function.text, brackets=True)


def _told(call: tree.Call, position: int, owner: str, brackets: bool = False) -> Iterator[Diagnostic]:
    """With `brackets`, those of a call without any other argument go too: `ties` is how `ties()` is written."""
    span, edit = call.arguments[position].span, argument_removal(call, position)
    whole = call.span.source.span(call.function.span.end, call.span.end)
    if brackets and len(call.arguments) == 1 and "#" not in whole.text:
        edit = Edit(whole, "")
    written = " ".join(span.text.split())
    yield errors.lints.DefaultWritten(span, (edit,) if edit else (), written, owner)


def _is(value: tree.Expression, default: object, body: Body) -> bool:
    found = resolved(value, body)
    if isinstance(found, tree.Text):
        return found.plain == default
    if not isinstance(found, tree.Literal) or isinstance(found.value, bool) is not isinstance(default, bool):
        return False
    return found.value == default
