"""How well an expert answers words: by what it is called, far less by what is told of it.

A description is anybody's: one that is stuffed with words, or that claims another concept than title and trigger, must
not outdo an expert that is called so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from mosaic.agent.slips import is_near
from mosaic.agent.values import FacetKind
from mosaic.catalog.store import terms
from mosaic.catalog.store.sights import Sight

_NAME: Final = 1.0
_TAG: Final = 0.75
_FEW_TAGS: Final = 8
"""Words of tags from which each says less."""
_PART: Final = 0.6
"""A longer or misspelt form of a name."""
_TOLD: Final = 0.3
_HEAD: Final = 2.0
"""The last word of several says what the thing is: it counts twice."""
_HEADLESS: Final = 0.4
"""Of what answers all but the last word: a sea lion is no sea."""
_SHORTEST: Final = 4
_MOST_OF: Final = 0.6
"""Of a longer form a word has to be so much: "water" is no watercolor."""
_CATEGORIES: Final = {
    FacetKind.SUBJECT: ("character",),
    FacetKind.CHARACTER: ("character",),
    FacetKind.STYLE: ("style",),
    FacetKind.TECHNIQUE: ("style",),
    FacetKind.SETTING: ("background",),
    FacetKind.OBJECT: ("object", "clothes"),
}
_SAID: Final = 0.9
"""The weight from which words are those that were said, or mean the same."""
_UNSAID: Final = 0.95
_OTHER: Final = 0.6


@dataclass(frozen=True)
class Words:
    """Words that the catalog is asked for, in normal form, and how much they mean what was said, 0..1."""

    words: tuple[str, ...]
    weight: float


@dataclass(frozen=True)
class Match:
    """How well an expert answers: 0..1, by which words, how much these mean what was said (the weight of `Words`), and
    whether by its name or by its description alone."""

    relevance: float
    words: tuple[str, ...] = ()
    named: bool = False
    weight: float = 0.0

    @property
    def called(self) -> bool:
        """Whether it is called by what was said, in so many words."""
        return self.named and self.weight >= _SAID


class Texts:
    """What an expert is called and what is told of it, in normal form."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    @cached_property
    def title(self) -> frozenset[str]:
        """The words of its title, or else of its trigger or id."""
        facts = self._sight.facts
        return frozenset(terms.words(facts.title or facts.trigger or facts.id.rpartition("/")[2]))

    @cached_property
    def names(self) -> frozenset[str]:
        """The words of everything that it is called by."""
        facts = self._sight.facts
        called = [facts.title, facts.trigger or "", *facts.triggers, facts.id.rpartition("/")[2]]
        return frozenset(word for text in called for word in terms.words(text))

    @cached_property
    def tags(self) -> frozenset[str]:
        """The words of its tags."""
        return frozenset(word for tag in self._sight.tags for word in terms.words(tag))

    @cached_property
    def told(self) -> frozenset[str]:
        """The words of its description."""
        return frozenset(terms.words(self._sight.description))

    def answer(self, wanted: Sequence[Words], kind: FacetKind) -> Match:
        """How well it answers the best of some wordings."""
        best = Match(0.0)
        for each in wanted:
            hits = [self._hit(word) for word in each.words]
            weights = [1.0] * (len(hits) - 1) + [_HEAD] if len(hits) > 1 else [1.0] * len(hits)
            if not any(hits):
                continue
            cover = sum(hit * weight for hit, weight in zip(hits, weights, strict=True)) / sum(weights)
            said = len(self.title.intersection(each.words)) / (len(self.title) or 1)
            relevance = each.weight * cover * (0.75 + 0.25 * said) * (1.0 if hits[-1] else _HEADLESS)
            if relevance > best.relevance:
                met = tuple(word for word, hit in zip(each.words, hits, strict=True) if hit)
                named = any(self._names(word) for word in each.words)
                best = Match(relevance, met, named, each.weight)
        return replace(best, relevance=min(1.0, best.relevance * self._fit(kind)))

    def _hit(self, word: str) -> float:
        if word in self.names:
            return _NAME
        if word in self.tags:
            return _TAG * min(1.0, _FEW_TAGS / len(self.tags))
        if self._names(word):
            return _PART
        return _TOLD if word in self.told else 0.0

    def _names(self, word: str) -> bool:
        """Whether it is called so, or by a longer or misspelt form; a tag is no name."""
        if word in self.names:
            return True
        return len(word) >= _SHORTEST and any(_is_part(word, name) for name in self.names)

    def _fit(self, kind: FacetKind) -> float:
        category = self._sight.facts.category
        if not category:
            return _UNSAID
        return 1.0 if category in _CATEGORIES[kind] else _OTHER


def _is_part(word: str, name: str) -> bool:
    if len(name) < _SHORTEST:
        return False
    short, long = sorted((word, name), key=len)
    return (long.startswith(short) and len(short) >= _MOST_OF * len(long)) or is_near(word, name)
