"""M008: an operand at a strength of zero."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.lint.constants import number
from mosaic.compiler.lint.names import Body, calls, operators
from mosaic.compiler.lint.subject import Subject
from mosaic.compiler.operators import Law, Operator
from mosaic.compiler.removing import argument_removal
from mosaic.compiler.syntax import tree


def idle_operands(subject: Subject) -> Iterator[Diagnostic]:
    """Where the operators that the plan allows give an operand of strength zero no part at all."""
    for call, body in calls(subject.file, "fuse"):
        allowed = _allowed(call, subject)
        if not all(Law.IDENTITY_AT_ZERO in operator.laws for operator in allowed):
            continue
        for position in operand_positions(call)[1:]:
            value = call.arguments[position].value
            if _is_zero(value, body):
                edit = argument_removal(call, position)
                written = " ".join(value.span.text.split())
                edits = (edit,) if edit is not None else ()
                yield errors.lints.IdleOperand(value.span, edits, written, len(allowed) == 1)


def operand_positions(call: tree.Call) -> tuple[int, ...]:
    """Where the base and the operands of a `fuse` stand among its arguments, the base first."""
    named = (argument.name.text if argument.name else "" for argument in call.arguments)
    return tuple(position for position, name in enumerate(named) if name != "via")


def pinned(call: tree.Call) -> tree.Argument | None:
    """The argument `via` of a `fuse`, where it has one."""
    given = (argument for argument in call.arguments if argument.name and argument.name.text == "via")
    return next(given, None)


def _allowed(call: tree.Call, subject: Subject) -> tuple[Operator, ...]:
    known, via = subject.context.operators, pinned(call)
    names = [] if via is None else [_name(each) for each in operators(via.value)]
    return tuple(known.values()) if names in ([], ["auto"]) else tuple(known[name] for name in names)


def _name(operator: tree.Expression) -> str:
    if isinstance(operator, tree.Call):
        return operator.function.text
    return operator.text if isinstance(operator, tree.Reference) else ""


def _is_zero(value: tree.Expression, body: Body) -> bool:
    while isinstance(value, tree.Strength | tree.Region | tree.Window):
        if isinstance(value, tree.Strength) and number(value.strength, body) == 0.0:
            return True
        value = value.expert
    return False
