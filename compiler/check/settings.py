"""Values of an operator's settings: numbers within their bounds, selectors that can be read."""

from __future__ import annotations

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import spelled
from mosaic.compiler.ir.graph import Attribute
from mosaic.compiler.operators import Operator, Setting
from mosaic.compiler.source import Span
from mosaic.compiler.weights.layers import Malformed, parse


def misuse(operator: Operator, setting: Setting, value: Attribute, span: Span) -> Diagnostic | None:
    """What is wrong with a value of the right kind (M305, M424), or None."""
    if setting.name == operator.selector:
        found = parse(str(value))
        return (
            _malformed(operator, setting, str(value), found, span) if isinstance(found, Malformed) else None
        )
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    breach = setting.bounds.broken(value)
    if breach is None:
        return None
    where = f"`{setting.name}` of `{operator.name}`"
    return errors.types.OutOfRange(span, where, breach.rule, spelled(value), breach.nearest)


def _malformed(operator: Operator, setting: Setting, text: str, found: Malformed, span: Span) -> Diagnostic:
    # Only in a plain text do the letters lie where they are written.
    if span.text == f'"{text}"' and found.offset < len(text):
        start = span.start + 1 + found.offset
        span = Span(span.source, start, start + found.length)
    return errors.selectors.NotASelector(span, setting.name, operator.name, found.reason)
