"""A request as a row of phrases: stretches between commas, prepositions and other small words that introduce them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mosaic.agent.offline.lexicon import Lexicon
from mosaic.catalog.store import terms

_TOKEN: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+|[./](?=[0-9])[0-9]+)*|--|\n|[^\w\s]|_")
_BREAKS: Final = frozenset((*',;:.!?()[]{}|/&+"“”—–\n', "--"))
_ARTICLES: Final = frozenset({"a", "an", "the", "some", "this", "that", "one"})
_OWN: Final = frozenset({"its", "his", "her", "their", "my", "your"})
_PLACES: Final = frozenset(
    {
        "corner",
        "upper",
        "lower",
        "foreground",
        "background",
        "middle",
        "center",
        "centre",
        "left",
        "right",
        "top",
        "bottom",
        "head",
    }
)
"""Where in a picture something is: no place to be in."""


_DOING: Final = frozenset(
    word
    for words in (
        "to be is are was were been being has have had do does that which who whose it there here see",
        "look looks stands sits lies runs walks flies swims plays holds rests sleeps",
    )
    for word in words.split(" ")
)
_SHORT: Final = 4  # letters of a word that ends in "ing" and is none: king


@dataclass(frozen=True)
class Token:
    """A word or a sign. `word` is in normal form; empty for signs and for words that say nothing."""

    text: str
    start: int
    end: int
    word: str

    @property
    def lower(self) -> str:
        """As it is compared with small words."""
        return self.text.lower().replace("’", "'")

    @property
    def is_article(self) -> bool:
        """Whether it only introduces a noun."""
        return self.lower in _ARTICLES or self.lower in _OWN


@dataclass(frozen=True)
class Phrase:
    """Words that belong together. `cue` says what introduces them: "first", "setting", "style", "worn", "beside",
    "avoided", or "" after a comma; `lead` are the tokens that say so. `medium` says that an "of" follows."""

    cue: str
    lead: tuple[Token, ...]
    tokens: tuple[Token, ...]
    medium: bool = False

    @property
    def content(self) -> tuple[Token, ...]:
        """Its words that say something."""
        return tuple(token for token in self.tokens if token.word and not token.is_article)


def tokens(text: str) -> list[Token]:
    """All words and signs of a text."""
    return [Token(found[0], found.start(), found.end(), _word(found[0])) for found in _TOKEN.finditer(text)]


def is_doing(token: Token) -> bool:
    """Whether a word, where nobody knows it, says what somebody does or is: no thing that could be found."""
    return token.lower in _DOING or (token.lower.endswith("ing") and len(token.text) > _SHORT)


def phrases(text: str, lexicon: Lexicon) -> list[Phrase]:
    """The phrases of a text in order; filler is left out."""
    return list(_Reader(tokens(text), lexicon).read())


def _word(text: str) -> str:
    if not text[0].isalnum():
        return ""
    found = terms.words(re.sub(r"['’]s$", "", text))
    return found[0] if len(found) == 1 else text.lower()


class _Reader:
    def __init__(self, tokens: Sequence[Token], lexicon: Lexicon) -> None:
        self._tokens, self._lexicon = tokens, lexicon
        self._lowers = [token.lower for token in tokens]
        self._cues = [
            ("avoided", _split(lexicon.cues("avoided"))),
            ("worn", _split(lexicon.cues("worn"))),
            ("style", _split(lexicon.cues("style"))),
            ("setting", _split(lexicon.cues("setting"))),
            ("beside", _split(lexicon.cues("beside"))),
        ]
        self._filler = _split(lexicon.cues("filler"))

    def read(self) -> Iterator[Phrase]:
        cue, lead, held = "first", list[Token](), list[Token]()
        place = 0
        while place < len(self._tokens):
            token = self._tokens[place]
            if (skipped := self._longest(self._filler, place)) and not held:
                place += skipped
                continue
            if token.text in _BREAKS:
                if held:
                    yield Phrase(cue, tuple(lead), tuple(held))
                cue, lead, held = ("first" if cue == "first" and not held else ""), [], []
                place += 1
                continue
            if token.lower == "of" and held and cue == "setting":
                place += 1  # "a field of lavender"
                continue
            if token.lower == "of" and held:
                # "A watercolor of a cat", "a field of snow": what follows is a phrase of its own.
                yield Phrase(cue, tuple(lead), tuple(held), medium=cue == "first")
                cue, lead, held = ("first" if cue == "first" else "setting"), [token], []
                place += 1
                continue
            name, length = self._cue(place)
            if length and (known := self._known_phrase(place)):
                # "After dark" is a time of day, not something after which it is.
                if held:
                    yield Phrase(cue, tuple(lead), tuple(held))
                yield Phrase(name, (), tuple(self._tokens[place : place + known]))
                cue, lead, held = "", [], []
                place += known
                continue
            if length:
                if held:
                    yield Phrase(cue, tuple(lead), tuple(held))
                    held = []
                elif cue == "avoided" or (name == "setting" and cue in ("worn", "style")):
                    name = cue  # "drawn in", "don't add a"
                cue, lead = name, list(self._tokens[place : place + length])
                place += length
                continue
            if is_doing(token) and self._is_thing(held) and not self._known(token):
                # "A cat playing a guitar": what follows is another thing.
                yield Phrase(cue, tuple(lead), tuple(held))
                cue, lead, held = "beside", [token], []
                place += 1
                continue
            if token.is_article and any(each.word and not each.is_article for each in held):
                # "A knight before a volcano": what stands before the article introduces what follows.
                before = [each for each in held[:-1] if each.word and not each.is_article]
                is_introduction = bool(before) and not self._known(held[-1])
                last = [held.pop()] if is_introduction else []
                yield Phrase(cue, tuple(lead), tuple(held))
                cue, lead, held = ("setting" if last else ""), last, []
            held.append(token)
            place += 1
        if held:
            yield Phrase(cue, tuple(lead), tuple(held))

    def _is_thing(self, held: Sequence[Token]) -> bool:
        """Whether some words name something: not an article or a colour alone."""
        return any(
            each.word and not each.is_article and self._lexicon.colour(each.word) is None for each in held
        )

    def _known(self, token: Token) -> bool:
        return bool(self._lexicon.senses([token.word])) or self._lexicon.colour(token.word) is not None

    def _cue(self, place: int) -> tuple[str, int]:
        """The longest small words at a place, and what they introduce."""
        best = ("", 0)
        for name, spelled in self._cues:
            length = self._longest(spelled, place)
            if length > best[1]:
                best = (name, length)
        return best

    def _known_phrase(self, place: int) -> int:
        """How many words from a place on the lexicon knows together; 0 for one alone."""
        if not self._tokens[place].word:
            return 0
        words = []
        for token in self._tokens[place : place + 5]:
            if not token.word:
                break
            words.append(token.word)
        known, _ = self._lexicon.longest(words, 0)
        return known if known > 1 else 0

    def _longest(self, spelled: Sequence[tuple[str, ...]], place: int) -> int:
        return max(
            (len(words) for words in spelled if tuple(self._lowers[place : place + len(words)]) == words),
            default=0,
        )


def _split(phrases: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(token.lower for token in tokens(phrase)) for phrase in phrases)


def is_place(phrase: Phrase) -> bool:
    """Whether a phrase says where in the picture something is ("in the corner", "on its head"), not where it is."""
    content = phrase.content
    owned = any(token.lower in _OWN for token in phrase.tokens)
    if phrase.cue not in ("setting", "beside"):
        return False
    return (
        not content or (owned and phrase.cue == "setting") or all(token.lower in _PLACES for token in content)
    )
