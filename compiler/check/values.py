"""Values that come from outside the text: `--set name=value`, read by the parameter's type."""

from __future__ import annotations

from mosaic.compiler.ir.graph import Attribute
from mosaic.compiler.syntax.literals import Number, read_number
from mosaic.compiler.types import Kind, accepts


def read_value(kind: Kind, given: object) -> Attribute:
    """The value of a scalar parameter, given as text (spelled as in a plan) or as a Python value.

    Raises ValueError with a reason fit for a message.
    """
    if kind is Kind.TEXT:
        return str(given)
    text = spelled(given)
    if kind is Kind.FLAG and text in ("true", "false"):
        return text == "true"
    number = None if kind is Kind.FLAG else read_number(text)
    if isinstance(number, Number) and accepts(kind, number.kind):
        value = number.value
        return float(value) if isinstance(value, int) and kind in (Kind.NUMBER, Kind.FRACTION) else value
    raise ValueError(f"`{text}` is no {kind} (such as {_EXAMPLES[kind]})")


def spelled(given: object) -> str:
    """A Python value as `--set` writes it."""
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, tuple):
        return "x".join(str(side) for side in given)
    return str(given).strip()


_EXAMPLES = {
    Kind.INT: "7",
    Kind.NUMBER: "0.8",
    Kind.FRACTION: "30%",
    Kind.FLAG: "true",
    Kind.SIZE: "64x64",
    Kind.DURATION: "500ms",
    Kind.MEMORY: "8GiB",
}
