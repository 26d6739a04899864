"""The spelling of literals: numbers with units, texts with escapes and inserts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal

from mosaic.compiler.syntax.tree import Value
from mosaic.compiler.types import Kind

DURATIONS = {"ms": Decimal("0.001"), "s": Decimal(1), "min": Decimal(60)}
"""Units of time, in seconds."""

MEMORIES = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
"""Units of memory, in bytes."""

UNITS = (*DURATIONS, *MEMORIES, "%")

LARGEST = 2**53 - 1
"""The largest whole number: the last that every reader of JSON takes exactly (RFC 8785)."""

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*\Z")

_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?(.*)\Z", re.DOTALL)
_SIZE = re.compile(r"x([0-9]+)\Z")
_LONGEST = 28  # characters: the digits that decimal arithmetic keeps exactly

_ALIASES = {
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "msec": "ms", "millis": "ms", "mins": "min", "m": "min",
    "minute": "min", "minutes": "min", "k": "KiB", "kb": "KiB", "mb": "MiB", "g": "GiB", "gb": "GiB",
    "t": "TiB", "tb": "TiB", "percent": "%", "pc": "%", "pct": "%", "px": "", "pixels": "", "steps": "", "x": "",
}  # fmt: skip


@dataclass(frozen=True)
class Number:
    """A well-formed number: its kind, its value in base units and its canonical spelling."""

    kind: Kind
    value: Value
    text: str


@dataclass(frozen=True)
class UnknownUnit:
    """A number with a unit that is none. `near` is the spelling that was probably meant."""

    number: str
    unit: str
    near: str | None


@dataclass(frozen=True)
class OutOfRange:
    """A number that is too long or too large to be held exactly."""


def read_number(text: str) -> Number | UnknownUnit | OutOfRange:
    """The meaning of a NUMBER token."""
    match = _NUMBER.match(text)
    if match is None or len(text) > _LONGEST:
        return OutOfRange()
    sign, whole, fraction, exponent, unit = match.groups()
    size = _SIZE.match(unit)
    if size and not fraction and not exponent:
        return _size(sign, int(whole), int(size[1]))
    if unit and unit not in UNITS:
        number = text.removesuffix(unit)
        return UnknownUnit(number, unit, _near(number, unit))
    if exponent and abs(int(exponent)) > 300:
        return OutOfRange()
    exact = Decimal(text.removesuffix(unit))
    if not unit and not fraction and not exponent:
        return _whole(Kind.INT, int(whole) if not sign else -int(whole), str(int(exact)))
    if not unit:
        return _real(Kind.NUMBER, exact, _spelling(exact, exponent, unit="", point=True))
    spelling = _spelling(exact, exponent, unit, point=False)
    if unit == "%":
        return _real(Kind.FRACTION, exact / 100, spelling)
    if unit in DURATIONS:
        return _real(Kind.DURATION, exact * DURATIONS[unit], spelling)
    return _whole(Kind.MEMORY, int(exact * MEMORIES[unit]), spelling)


def _size(sign: str, width: int, height: int) -> Number | OutOfRange:
    if max(width, height) > LARGEST:
        return OutOfRange()
    return Number(Kind.SIZE, (-width if sign else width, height), f"{sign}{width}x{height}")


def _whole(kind: Kind, value: int, text: str) -> Number | OutOfRange:
    return Number(kind, value, text) if abs(value) <= LARGEST else OutOfRange()


def _real(kind: Kind, exact: Decimal, text: str) -> Number | OutOfRange:
    value = float(exact)
    return Number(kind, value or 0.0, text) if math.isfinite(value) else OutOfRange()


def _spelling(exact: Decimal, exponent: str | None, unit: str, *, point: bool) -> str:
    """The shortest spelling; `point` keeps a number apart from a whole number."""
    if exponent:
        mantissa = exact.scaleb(-int(exponent))
        return f"{_plain(mantissa)}e{int(exponent)}{unit}"
    plain = _plain(exact)
    return f"{plain}.0" if point and "." not in plain else plain + unit


def _plain(exact: Decimal) -> str:
    text = f"{exact:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _near(number: str, unit: str) -> str | None:
    if re.fullmatch(r"X[0-9]+", unit):
        return number + unit.lower()
    for known in UNITS:
        if unit.lower() == known.lower():
            return number + known
    alias = _ALIASES.get(unit.lower())
    return None if alias is None else number + alias


def escape(text: str) -> str:
    """The characters of a text as they stand between quotes."""
    return "".join(_ESCAPES.get(char, char) for char in text)


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "{": "{{", "}": "}}"}


@dataclass(frozen=True)
class Piece:
    """A stretch `[start, end)` of the characters between the quotes, in the token's own offsets.

    `kind` is `chars` (with their meaning), `insert` (with the name), or a fault: `escape` or `brace`.
    """

    kind: str
    meaning: str
    start: int
    end: int


_PIECES = re.compile(
    r"(?P<chars>[^\\{}]+|\{\{|\}\}|\\[\"\\n])|(?P<insert>\{[^{}\\]*\})|(?P<escape>\\.)|(?P<brace>[{}\\])",
    re.DOTALL,
)
_MEANINGS = {"{{": "{", "}}": "}", '\\"': '"', "\\\\": "\\", "\\n": "\n"}


def read_text(token: str) -> list[Piece]:
    """The pieces of a TEXT token, quotes included in the offsets."""
    pieces = []
    for match in _PIECES.finditer(token, 1, len(token) - 1):
        kind, text = str(match.lastgroup), match[0]
        meaning = (
            text[1:-1] if kind == "insert" else text[1:] if kind == "escape" else _MEANINGS.get(text, text)
        )
        pieces.append(Piece(kind, meaning, match.start(), match.end()))
    return pieces
