"""Licences as people write them, brought to SPDX expressions, and expressions taken apart.

`license_expression` is loaded for what the table does not have by name: when an expert is catalogued, hardly ever
when a plan is checked."""

from __future__ import annotations

import re
from functools import cache
from itertools import product
from math import prod
from typing import Any, Final

from license_expression import (
    ExpressionError,
    LicenseSymbol,
    LicenseWithExceptionSymbol,
    ParseError,
    get_license_index,
    get_spdx_licensing,
)

from mosaic.catalog.licences.table import entries, key_of

_LONGEST: Final = 300
"""Characters. What is longer is a licence's text or a description, no name."""
_MOST: Final = 64
"""Choices that one expression may leave. What leaves more was made to be long, not to be used."""
_SAYS_NOTHING: Final = re.compile(
    r"(?i).*\b(unknown|other|none|n/?a|custom|proprietary|commercial-license)\b.*"
)
_WORDS: Final = re.compile(r"(?i)\s+(and|or|with)\s+|([()])")
_CREATIVE: Final = re.compile(r"(?i)creativecommons\.org/licenses/([a-z-]+)/(\d\.\d)")
_ZERO: Final = re.compile(r"(?i)creativecommons\.org/publicdomain/zero/1\.0")


def normal(text: str) -> str | None:
    """The SPDX expression that a licence's usual name means, or None."""
    given = " ".join(text.split())
    if not given or len(given) > _LONGEST:
        return None
    whole = _single(given)
    if whole is not None or not _WORDS.search(given):
        return whole
    parts = [part for part in _WORDS.split(given) if part and part.strip()]
    return _expression([_part(part.strip()) for part in parts])


def choices(expression: str) -> list[tuple[str, ...]]:
    """An expression as choices (OR) of ids that hold together (AND); an exception (WITH) only adds permissions.

    What is no expression gives none.
    """
    parsed = _parsed(expression)
    return [] if parsed is None else [tuple(dict.fromkeys(choice)) for choice in _choices(parsed)]


def _parsed(expression: str) -> Any:
    if len(expression) > _LONGEST:
        return None
    try:
        return _licensing().parse(expression, validate=False)
    except (ExpressionError, ParseError, IndexError, TypeError, ValueError):
        return None  # the parser lets some misplaced brackets through and then falls over them


@cache
def _licensing() -> Any:
    return get_spdx_licensing()


def _choices(parsed: Any) -> list[tuple[str, ...]]:
    if isinstance(parsed, LicenseWithExceptionSymbol):
        parsed = parsed.license_symbol
    if isinstance(parsed, LicenseSymbol):
        return [(str(parsed.key),)]
    inner = [_choices(argument) for argument in parsed.args]
    if parsed.operator.strip() == "OR":
        return [choice for choices in inner for choice in choices]
    if prod(len(choices) for choices in inner) > _MOST:
        return []
    return [tuple(key for choice in together for key in choice) for together in product(*inner)]


def _part(part: str) -> str | None:
    return part.upper() if part.upper() in ("AND", "OR", "WITH", "(", ")") else _single(part)


def _expression(parts: list[str | None]) -> str | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    parsed = _parsed(" ".join(known))
    return None if parsed is None else str(parsed.render())


def _single(text: str) -> str | None:
    text = text.strip(" ,;.")
    if text in entries():
        return text
    if found := _CREATIVE.search(text):
        text = f"CC-{found[1]}-{found[2]}"
    elif _ZERO.search(text):
        text = "CC0-1.0"
    own = key_of(text)
    if own is not None:
        return own
    return None if _SAYS_NOTHING.fullmatch(text) else _index().get(text.casefold().replace(" ", "-"))


@cache
def _index() -> dict[str, str]:
    """Every id of the index and every ScanCode key, folded, to the spelling of SPDX."""
    found: dict[str, str] = {}
    for entry in get_license_index():
        spdx = entry.get("spdx_license_key")
        if not spdx:
            continue
        for name in (spdx, *entry.get("other_spdx_license_keys", ()), entry["license_key"]):
            found.setdefault(name.casefold(), spdx)
    return found
