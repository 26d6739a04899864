"""Values that come from outside the text: `--set name=value`, read by the parameter's type."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from mosaic.compiler.ir.graph import Attribute
from mosaic.compiler.types import Kind

_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_UNIT = re.compile(r"([-+0-9.eE]+?)\s*([A-Za-z%]*)")


def read_value(kind: Kind, given: object) -> Attribute:
    """The value of a scalar parameter given as text (or as a Python value of the right type already).

    Raises ValueError with a reason fit for a message.
    """
    if kind is Kind.TEXT:
        return str(given)
    text = str(given).strip().lower() if isinstance(given, bool) else str(given).strip()
    if isinstance(given, tuple):
        text = "x".join(map(str, given))
    try:
        return _READERS[kind](text)
    except (ValueError, KeyError, OverflowError):
        raise ValueError(f"`{text}` is no {kind} (such as {_EXAMPLES[kind]})") from None


def _int(text: str) -> int:
    return int(text)


def _number(text: str) -> float:
    value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text]


def _size(text: str) -> tuple[int, int]:
    width, height = text.split("x")
    return int(width), int(height)


def _unit(units: Mapping[str, float]) -> Callable[[str], Attribute]:
    def read(text: str) -> Attribute:
        match = _UNIT.fullmatch(text)
        if match is None:
            raise ValueError
        value = _number(match[1]) * units[match[2]]
        return int(value) if units is _BYTES else value

    return read


_READERS: Mapping[Kind, Callable[[str], Attribute]] = {
    Kind.INT: _int,
    Kind.NUMBER: _number,
    Kind.FRACTION: _number,
    Kind.FLAG: _flag,
    Kind.SIZE: _size,
    Kind.DURATION: _unit(_SECONDS),
    Kind.MEMORY: _unit(_BYTES),
}
_EXAMPLES = {
    Kind.INT: "7",
    Kind.NUMBER: "0.8",
    Kind.FRACTION: "30%",
    Kind.FLAG: "true",
    Kind.SIZE: "64x64",
    Kind.DURATION: "500ms",
    Kind.MEMORY: "8GiB",
}
