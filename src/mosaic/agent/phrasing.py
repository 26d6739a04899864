"""The prompt of a plan: the request's own words, with experts' triggers where they belong.

A base with an open vocabulary is told what was said. One that knows a few words only is told those, in the order of the
request, and its word for what it knows under another name; what it would spell in pieces is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mosaic.agent.offline.decompose import MARKERS
from mosaic.agent.offline.lexicon import Lexicon
from mosaic.agent.offline.phrases import Phrase, Token, is_doing, is_place, phrases, tokens
from mosaic.agent.retrieving import wordings
from mosaic.agent.speaking import Tongue
from mosaic.agent.values import Decomposition, Facet, FacetKind
from mosaic.catalog.store import terms

_NOUNS: Final = (FacetKind.SUBJECT, FacetKind.CHARACTER)
_ORDER: Final = (FacetKind.SETTING, FacetKind.OBJECT, FacetKind.STYLE, FacetKind.TECHNIQUE)
"""In which triggers stand that are no nouns, after all that was said."""
_SIGNS: Final = frozenset("-'’%")
_INTRODUCING: Final = ("wearing", "with", "holding", "carrying")


@dataclass(frozen=True)
class Insert:
    """What an expert is called by in a prompt: the name of its variable, and its trigger ("" where it has none)."""

    variable: str
    trigger: str
    facets: tuple[int, ...]

    @property
    def text(self) -> str:
        """As it stands in a prompt."""
        return "{" + self.variable + "}" if self.trigger else ""


@dataclass(frozen=True)
class Phrased:
    """A prompt, and the facets that it says in words of the request or of the base, without an expert's trigger."""

    prompt: str
    negative: str
    spoken: frozenset[int]


@dataclass
class _Piece:
    text: str
    start: int = -1  # in the request; -1 where it is not from there
    end: int = -1
    solid: bool = True  # says something
    facet: int | None = None
    trigger: str = ""  # of an insert
    place: bool = False  # says where it is


@dataclass
class _Row:
    joint: str
    pieces: list[_Piece] = field(default_factory=list)


def phrase(
    text: str,
    parts: Decomposition,
    inserts: Sequence[Insert],
    tongue: Tongue,
    lexicon: Lexicon,
    silent: Collection[int] = (),
) -> Phrased:
    """The prompt for a request's text with some experts in it. To a base of few words `silent` facets are not said."""
    return _Writer(text, parts, inserts, tongue, lexicon, silent).write()


class _Writer:
    def __init__(
        self,
        text: str,
        parts: Decomposition,
        inserts: Sequence[Insert],
        tongue: Tongue,
        lexicon: Lexicon,
        silent: Collection[int],
    ) -> None:
        self._text, self._parts, self._tongue, self._lexicon = text, parts, tongue, lexicon
        self._silent = silent if tongue.closed else ()
        self._inserts = inserts
        self._by_facet: Mapping[int, Insert] = {
            facet: insert for insert in reversed(inserts) for facet in insert.facets if insert.trigger
        }
        self._served = {facet for insert in inserts for facet in insert.facets}
        # What is said again is about the same.
        self._again = {
            words[0]: place
            for place, facet in reversed(list(enumerate(parts.facets)))
            if len(words := terms.words(facet.text)) == 1
        }
        self._put: set[str] = set()

    def write(self) -> Phrased:
        rows: list[_Row] = []
        found = phrases(self._text, self._lexicon)
        for each in found:
            row = self._row(each, first=not rows)
            if row is not None and not (self._is_colour(each) and self._colour(rows, row)):
                rows.append(row)
        rows = self._distinct(rows)
        text = self._prompt(rows)
        while self._is_long(text) and (spare := self._spare(rows)) is not None:
            del rows[spare]
            text = self._prompt(rows)
        avoided = ", ".join(word for each in self._parts.avoided if (word := self._sayable(each)))
        said = {piece.facet for row in rows for piece in row.pieces if piece.facet is not None}
        return Phrased(text, avoided, frozenset(said - self._served))

    def _prompt(self, rows: Sequence[_Row]) -> str:
        text = "".join((row.joint if place else "") + _joined(row.pieces) for place, row in enumerate(rows))
        for insert in sorted(self._inserts, key=self._order):
            if insert.trigger and insert.variable not in self._put:
                text += (", " if text else "") + insert.text
        return text

    def _distinct(self, rows: Sequence[_Row]) -> list[_Row]:
        """Every phrase once, however often it was said."""
        return list({tuple(piece.text for piece in row.pieces): row for row in reversed(rows)}.values())[::-1]

    def _is_long(self, text: str) -> bool:
        """Whether a prompt is longer than the base's encoder reads."""
        for insert in self._inserts:
            text = text.replace(insert.text, insert.trigger) if insert.trigger else text
        length, limit = self._tongue.length(text), self._tongue.limit
        return length is not None and limit is not None and length > limit

    def _spare(self, rows: Sequence[_Row]) -> int | None:
        """The phrase that a prompt that is too long can best do without: the last of the least important that calls no
        expert; None where one is left."""
        spare = [
            place
            for place, row in enumerate(rows)
            if len(rows) > 1 and not any(piece.trigger for piece in row.pieces)
        ]
        return min(spare, key=lambda place: (self._importance(rows[place]), -place), default=None)

    def _importance(self, row: _Row) -> float:
        places = [piece.facet for piece in row.pieces if piece.facet is not None]
        return max((self._parts.facets[place].importance for place in places), default=0.0)

    def _row(self, each: Phrase, *, first: bool) -> _Row | None:
        if each.cue == "avoided":
            return None
        if is_place(each) and self._tongue.closed:
            return None
        served = any(self._facet_at(token) in self._served for token in each.tokens)
        pieces = [piece for token in each.tokens for piece in self._pieces(token, served=served)]
        solid = [piece for piece in pieces if piece.solid]
        about = [token for token in each.tokens if self._facet_at(token) is not None]
        if not solid or (self._tongue.closed and about and all(piece.facet is None for piece in solid)):
            return None  # of "a green dragon" no "a green" is left
        renamed = each.tokens[0].lower != solid[0].text and each.cue == "setting"  # "night" for "after dark"
        row = _Row(", " if not each.lead and (each.cue in ("", "style") or renamed) else " ")
        inserted = all(piece.trigger for piece in solid) and len(solid) == 1
        if inserted and solid[0].trigger.lower().split()[0] in _INTRODUCING:
            row.pieces = solid
            return row
        if first and each.lead and each.lead[0].lower == "of":
            row.pieces = _trimmed(pieces)  # nothing is left of what it is of
            return row
        said = list(each.lead)
        if self._tongue.closed and not all(self._introduces(token) for token in each.lead):
            said = []
        if each.lead and not said:
            row.joint = ", "
        lead = [_Piece(token.text.lower(), token.start, token.end, solid=False) for token in said]
        row.pieces = [*lead, *_trimmed(pieces)]
        if self._tongue.closed and each.lead and each.cue == "style":
            row.joint, row.pieces = ", ", _trimmed(pieces)
        return row

    def _is_colour(self, each: Phrase) -> bool:
        content = [token for token in each.content if not is_doing(token)]
        return bool(content) and all(self._lexicon.colour(token.word) for token in content)

    def _colour(self, rows: Sequence[_Row], said: _Row) -> bool:
        """Put a colour that is said after its noun ("a robot that is pink") before it, for a base of few words."""
        if not self._tongue.closed:
            return False
        for row in reversed(rows):
            for place, piece in enumerate(row.pieces):
                if piece.facet is not None and self._parts.facets[piece.facet].kind in _NOUNS:
                    row.pieces[place:place] = [_Piece(each.text) for each in said.pieces if each.solid]
                    return True
        return False

    def _introduces(self, token: Token) -> bool:
        """Whether a base of few words knows a small word."""
        return token.lower in _INTRODUCING or (self._tongue.knows(token.lower) and not is_doing(token))

    def _pieces(self, token: Token, *, served: bool) -> list[_Piece]:
        """What becomes of a word; `served` says that an expert serves something of its phrase."""
        place = self._facet_at(token)
        if place is not None and place in self._by_facet:
            return self._inserted(token, place)
        if not token.text[0].isalnum():
            keep = token.text in _SIGNS and not self._tongue.closed
            return [_Piece(token.text, token.start, token.end, solid=False)] if keep else []
        if not token.word or token.is_article:
            return [
                _Piece(token.lower if token.is_article else token.text, token.start, token.end, solid=False)
            ]
        if place is None and served and token.word in MARKERS:
            return []  # of "neon style" the trigger says both
        if self._tongue.closed and token.lower == "of":
            return []
        if not self._tongue.closed:
            return [_Piece(token.text, token.start, token.end, facet=place)]
        if place in self._silent:
            return []
        said = self._known(token) if place is None else self._in_own_words(token, place)
        setting = place is not None and self._parts.facets[place].kind is FacetKind.SETTING
        return [_Piece(said, token.start, token.end, facet=place, place=setting)] if said else []

    def _known(self, token: Token) -> str:
        if self._tongue.knows(token.lower):
            return token.lower
        colour = self._lexicon.colour(token.word)
        return colour if colour is not None and self._tongue.knows(colour) else ""

    def _in_own_words(self, token: Token, place: int) -> str:
        """A word of a facet to a base that knows a few words: as said where it knows all of the facet's words; else
        its own word for the facet, once, in the place of the last; else what it knows, where it knows the last."""
        facet = self._parts.facets[place]
        words = [each for each in tokens(facet.text) if each.word and not each.is_article]
        is_last = token.end == facet.end
        if all(self._tongue.knows(each.lower) for each in words):
            return token.lower
        if other := known_as(facet, self._tongue, self._lexicon):
            return other if is_last else ""
        if self._tongue.knows(words[-1].lower) and not words[-1].text[0].isdigit():
            return self._known(token)
        return ""

    def _inserted(self, token: Token, place: int) -> list[_Piece]:
        insert, facet = self._by_facet[place], self._parts.facets[place]
        if facet.kind in _NOUNS and token.start < self._head_of(facet):
            known = self._tongue.knows(token.lower)
            return [_Piece(token.text, token.start, token.end, solid=False)] if known else []
        if facet.kind in _NOUNS or (facet.of is None and facet.kind is FacetKind.OBJECT):
            if insert.variable in self._put:
                return []
            if facet.kind is FacetKind.OBJECT and not insert.trigger.lower().startswith(_INTRODUCING):
                return []
            self._put.add(insert.variable)
            return [_Piece(insert.text, token.start, token.end, facet=place, trigger=insert.trigger)]
        if self._tongue.closed or facet.of is None:
            return []  # its trigger comes at the end
        return [_Piece(token.text, token.start, token.end, facet=place)]

    def _head_of(self, facet: Facet) -> int:
        """Where the words of a facet begin that the lexicon knows together, or else its last word."""
        found = tokens(facet.text)
        for place in range(len(found)):
            if found[place].word and self._lexicon.senses(
                [token.word for token in found[place:] if token.word]
            ):
                return facet.start + found[place].start
        return facet.start + (found[-1].start if found else 0)

    def _facet_at(self, token: Token) -> int | None:
        for place, facet in enumerate(self._parts.facets):
            if facet.start <= token.start and token.end <= facet.end:
                return place
        return self._again.get(token.word) if token.word else None

    def _sayable(self, text: str) -> str:
        words = [word for word in text.split() if self._tongue.knows(word.lower())]
        return " ".join(words) if any(word.lower() not in ("a", "an", "the", "any") for word in words) else ""

    def _order(self, insert: Insert) -> tuple[int, int]:
        kinds = [self._parts.facets[facet].kind for facet in insert.facets if facet >= 0]
        kind = kinds[0] if kinds else FacetKind.STYLE
        return (_ORDER.index(kind) if kind in _ORDER else 0, min(insert.facets, default=0))


def known_as(facet: Facet, tongue: Tongue, lexicon: Lexicon) -> str:
    """What a base calls a facet, in one word that it knows; "" where it knows none."""
    for each in wordings(facet, lexicon):
        if len(each.words) == 1 and each.weight >= 0.7 and tongue.knows(each.words[0]):
            return each.words[0]
    return ""


def _trimmed(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Without small words at the end, and with one article at most before a noun."""
    kept = list(pieces)
    while kept and not kept[-1].solid:
        kept.pop()
    return kept


def _joined(pieces: Sequence[_Piece]) -> str:
    """The text of pieces, with "a" or "an" as the next word asks, glued where they were glued in the request."""
    text = ""
    for place, piece in enumerate(pieces):
        word = piece.text
        if word in ("a", "an") and place + 1 < len(pieces):
            following = pieces[place + 1]
            sound = (following.trigger or following.text).lstrip("<").lower()
            word = "an" if sound[:1] in tuple("aeiou") else "a"
        before = pieces[place - 1] if place else None
        if before is not None and before.text == word and piece.solid:
            continue  # "desert dunes" to a base that has one word for both
        if before is not None and before.place and piece.place and before.facet != piece.facet:
            text += ","  # "by the river, night"
        glued = before is not None and before.end == piece.start and before.end >= 0
        text += word if not text or glued else " " + word
    return text
