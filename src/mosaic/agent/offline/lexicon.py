"""Words that people describe pictures with, and what they mean: a thesaurus of this project, kept as data.

The catalog knows its experts by its own words. That "aquarelle" is watercolor, a "kitty" a cat and "after dark" night,
it does not know; `lexicon.toml` does. Words are compared in the catalog's normal form (`mosaic.catalog.store.terms`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from mosaic.agent.slips import is_near
from mosaic.catalog.store import terms

KINDS: Final = ("subject", "character", "style", "setting", "object", "technique")
"""The kinds of senses, those of facets."""
NEAR: Final = 0.5
"""How much a word means that is only near."""
_LONGEST: Final = 5  # words of a phrase

Words = tuple[str, ...]


@dataclass(frozen=True)
class Sense:
    """One thing, by all its names. `near` are other things that are asked for where there is nothing better."""

    kind: str
    words: tuple[str, ...]
    near: tuple[str, ...] = ()

    @property
    def canonical(self) -> str:
        """The usual name, which the catalog is asked for."""
        return self.words[0]


class Lexicon:
    """Senses by their words. Everything is in normal form but what is handed out."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        senses: dict[Words, list[Sense]] = {}
        for kind in KINDS:
            for entry in content.get(kind, ()):
                sense = Sense(kind, tuple(entry["words"]), tuple(entry.get("near", ())))
                for words in dict.fromkeys(normal(word) for word in sense.words):
                    senses.setdefault(words, []).append(sense)
        self._senses = MappingProxyType({words: tuple(found) for words, found in senses.items()})
        self._colours = MappingProxyType(
            {
                normal(word): colour
                for colour, words in content["colours"].items()
                for word in (colour, *words)
            }
        )
        self._cues = {name: tuple(phrases) for name, phrases in content["cues"].items()}
        self._ordinary = frozenset(terms.words(content.get("ordinary", {}).get("words", "")))
        self._single: dict[str, list[str]] = {}
        for words in self._senses:
            if len(words) == 1:
                self._single.setdefault(words[0][:1], []).append(words[0])
        self._longest = min(_LONGEST, max(map(len, self._senses), default=0))

    def senses(self, words: Sequence[str]) -> tuple[Sense, ...]:
        """What exactly these words mean, in normal form; none where they mean nothing together."""
        return self._senses.get(tuple(words), ())

    def longest(self, words: Sequence[str], start: int) -> tuple[int, tuple[Sense, ...]]:
        """The longest phrase that begins at a place, and what it means: (0, ()) where none does."""
        for length in range(min(self._longest, len(words) - start), 0, -1):
            found = self.senses(words[start : start + length])
            if found:
                return length, found
        return 0, ()

    def misspelt(self, word: str) -> tuple[Sense, ...]:
        """What a word of five letters or more means that is one slip away from one that is known. Ordinary words, which
        only look like others, mean nothing."""
        if word in self._ordinary:
            return ()
        for known in self._single.get(word[:1], ()):
            if is_near(word, known):
                return self.senses((known,))
        return ()

    def synonyms(self, text: str) -> tuple[tuple[str, float], ...]:
        """Other words for a text and how much they mean the same: 1 for another name, half for what is near."""
        own = normal(text)
        found: dict[str, float] = {}
        for sense in self.senses(own):
            for weight, words in ((1.0, sense.words), (NEAR, sense.near)):
                for word in words:
                    if normal(word) != own:
                        found[word] = max(weight, found.get(word, 0.0))
        return tuple(found.items())

    def colour(self, word: str) -> str | None:
        """The plain name of a colour."""
        return self._colours.get(normal(word))

    def cues(self, name: str) -> tuple[str, ...]:
        """Small words of a set: filler, avoided, worn, beside, setting, style."""
        return self._cues[name]


def normal(text: str) -> Words:
    """A phrase as it is compared."""
    return tuple(terms.words(text))


@cache
def lexicon() -> Lexicon:
    """The lexicon of this package, read once."""
    text = files("mosaic.agent.offline").joinpath("lexicon.toml").read_text(encoding="utf-8")
    return Lexicon(tomllib.loads(text))
