"""Words in their normal form, so that "Watercolours" finds what is called "watercolor".

The same rules are applied to what is stored and to what is asked; a rule that maps two different words onto one
costs a little precision and nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

FORMAT: Final = "1"
"""Changes with the rules below: postings of another format have to be made anew."""

_WORD: Final = re.compile(r"[^\W_]+")
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LONGEST: Final = 40

# British and American spelling of the words that pictures are described with.
_ENDINGS: Final = (
    (re.compile(r"(?<=\w\w)our(?=(s|ed|ing|ful|less|ist|able)?$)"), "or"),
    (re.compile(r"(?<=\w\w)is(?=(e|es|ed|ing|er|ation)$)"), "iz"),
    (re.compile(r"(?<=\w\w)([tb])re(?=s?$)"), r"\1er"),
    (re.compile(r"^grey"), "gray"),
)
_PLURALS: Final = (
    (re.compile(r"(?<=\w\w)ies$"), "y"),
    (re.compile(r"(?<=(?:ss|sh|ch|.x))es$"), ""),
    (re.compile(r"(?<=[^\Wsui])s$"), ""),
)
_EMPTY: Final = ("a", "an", "and", "by", "for", "in", "of", "on", "or", "the", "to", "with")

WEIGHTS: Final = (
    ("trigger", 4.0),
    ("title", 3.0),
    ("alias", 2.0),
    ("id", 2.0),
    ("tag", 2.0),
    ("description", 1.0),
)
"""How much a word counts where it stands."""


def words(text: str) -> list[str]:
    """The words of a text in their normal form, in order, with those that say nothing left out."""
    found = [_normal(word) for word in _WORD.findall(_bare(_HUMP.sub(" ", text)))]
    return [word for word in found if word not in _EMPTY] or found


def _bare(text: str) -> str:
    """In one case and width, without accents."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text)
    return "".join(char for char in plain if not unicodedata.combining(char)).casefold()


def weighed(fields: Iterable[tuple[str, str]]) -> dict[str, float]:
    """The words of an expert's fields (name and text), each with the sum of its weights."""
    weights = dict(WEIGHTS)
    found: dict[str, float] = {}
    for name, text in fields:
        for word in words(text):
            found[word] = found.get(word, 0.0) + weights[name]
    return found


@lru_cache(maxsize=1 << 16)
def _normal(word: str) -> str:
    word = word[:_LONGEST]
    if len(word) > 3:
        for pattern, replacement in _PLURALS:
            shorter = pattern.sub(replacement, word)
            if shorter != word:
                word = shorter
                break
    if len(word) > 4 or word == "grey":
        for pattern, replacement in _ENDINGS:
            word = pattern.sub(replacement, word)
    return word
