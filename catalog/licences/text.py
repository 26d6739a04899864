"""Licences as people write them, brought to SPDX expressions.

`license_expression` brings the index of everything that SPDX and ScanCode know. It is loaded when an expert is
catalogued, not when a plan is checked.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from license_expression import get_license_index

from mosaic.catalog.licences.expressions import NoExpression, joined, parse, split
from mosaic.catalog.licences.table import entries, key_of

_LONGEST: Final = 300
"""Characters. What is longer is a licence's text or a description, no name."""
_SAYS_NOTHING: Final = re.compile(
    r"(?i).*\b(unknown|other|none|n/?a|custom|proprietary|commercial-license)\b.*"
)
_CREATIVE: Final = re.compile(r"(?i)creativecommons\.org/licenses/([a-z-]+)/(\d\.\d)")
_ZERO: Final = re.compile(r"(?i)creativecommons\.org/publicdomain/zero/1\.0")


def normal(text: str) -> str | None:
    """The SPDX expression that a licence's usual name means, or None."""
    given = " ".join(text.split())
    if not given or len(given) > _LONGEST:
        return None
    whole = _single(given)
    words = split(given)
    if whole is not None or len(words) == 1:
        return whole
    known = [word if word in ("AND", "OR", "WITH", "(", ")") else _single(word) for word in words]
    found = [word for word in known if word is not None]
    try:
        parse(found)
    except NoExpression:
        return None
    return joined(found) if len(found) == len(words) else None


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
