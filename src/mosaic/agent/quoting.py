"""Texts of strangers and users, as a language model is shown them: JSON in marked blocks that they cannot leave.

Characters that nobody sees (controls, marks of direction, tags, variation selectors) can carry instructions past
whoever reads along, and are left out; what could close a block is escaped.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, Final

from mosaic.compiler.reporting.document import dumps

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_FILLERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_ESCAPED: Final = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&`"}


def quoted(value: Any) -> str:
    """A value as JSON on one line, its texts without hidden characters and without the signs that end a block."""
    return json.dumps(_cleaned(value), ensure_ascii=False).translate(_ESCAPED)


def cleaned(text: str, most: int | None = None) -> str:
    """A text on one line, without characters that nobody sees; cut with an ellipsis where it is longer than `most`."""
    plain = "".join(_seen(char) for char in text)
    plain = " ".join(plain.split())
    return plain if most is None or len(plain) <= most else plain[: most - 1].rstrip() + "…"


def occurrences(text: str, words: str) -> Iterator[tuple[int, int]]:
    """Where some words stand in a text, as (start, end) in code points: whole words first, then parts of words.

    Case, white space and hidden characters make no difference; offsets are those of the text as it is.
    """
    folded, places = _folded(text)
    sought = _folded(words)[0].strip()
    if not sought:
        return
    found = [at for at in range(len(folded)) if folded.startswith(sought, at)]
    for at in sorted(found, key=lambda at: (not _stands_alone(folded, at, at + len(sought)), at)):
        yield places[at], places[at + len(sought) - 1] + 1


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return cleaned(value)
    if isinstance(value, dict):
        return {cleaned(str(key)): _cleaned(each) for key, each in value.items()}
    if isinstance(value, Iterable):
        return [_cleaned(each) for each in value]
    return value


def _seen(char: str) -> str:
    """A character as it is shown: itself, a space for any white space, or nothing."""
    if char.isspace():
        return " "
    if char.isascii():
        return char if char.isprintable() else ""
    hidden = unicodedata.category(char) in _HIDDEN or char in _FILLERS or _selects(char)
    return "" if hidden or char not in dumps(char) else char


def _selects(char: str) -> bool:
    """Whether a character chooses among the forms of the one before it: it can spell bytes that nobody sees."""
    return (
        "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef" or "\u180b" <= char <= "\u180f"
    )


def _folded(text: str) -> tuple[str, list[int]]:
    """A text without case, hidden characters and repeated white space, and where each of its characters stood."""
    chars: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        for folded in _seen(char).casefold():
            if folded == " " and chars and chars[-1] == " ":
                continue
            chars.append(folded)
            places.append(place)
    return "".join(chars), places


def _stands_alone(text: str, start: int, end: int) -> bool:
    before = start > 0 and text[start - 1].isalnum() and text[start].isalnum()
    behind = end < len(text) and text[end].isalnum() and text[end - 1].isalnum()
    return not before and not behind
