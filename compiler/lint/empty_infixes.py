"""M007: strengths, windows and regions that say nothing."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic, Edit
from mosaic.compiler.lint.constants import is_canvas, number
from mosaic.compiler.lint.names import Body, expressions
from mosaic.compiler.lint.subject import Subject
from mosaic.compiler.syntax import tree


def empty_infixes(subject: Subject) -> Iterator[Diagnostic]:
    """Of experts and of prompts, where the numbers stand in the text."""
    for expression, body in expressions(subject.file):
        if not isinstance(expression, tree.Strength | tree.Region | tree.Window):
            continue
        reason = _reason(expression, body)
        if not reason:
            continue
        source, inner = subject.source, expression.expert.span
        infix = source.span(inner.end, expression.span.end)
        told = source.span(infix.end - len(infix.text.lstrip()), infix.end)
        edits = () if subject.has_comment(infix) else (Edit(infix, ""),)
        yield errors.lints.SaysNothing(told, edits, " ".join(told.text.split()), reason)


def _reason(expression: tree.Strength | tree.Region | tree.Window, body: Body) -> str:
    match expression:
        case tree.Strength(strength=strength) if number(strength, body) == 1.0:
            return "a strength is 1 unless given"
        case tree.Region(region=region) if is_canvas(region, body):
            return "that is the whole canvas"
        case tree.Window(start=start, end=end) if (number(start, body), number(end, body)) == (0.0, 1.0):
            return "that is the whole run"
        case _:
            return ""
