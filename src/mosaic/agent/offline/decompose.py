"""A request in parts, by the catalog's own words, the lexicon and small words of English.

A phrase has a head, its last word that says something, and words before it. What kind of thing a word means is voted:
by the categories of the experts that are named by it, by its senses in the lexicon, and by what introduces the phrase.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from mosaic.agent.offline.lexicon import Lexicon, Sense
from mosaic.agent.offline.phrases import Phrase, Token, is_doing, is_place, phrases
from mosaic.agent.values import Decomposition, Facet, FacetKind

if TYPE_CHECKING:
    from mosaic.agent.world import World
    from mosaic.catalog.store.vocabulary import Use

MARKERS: Final = {
    "style": FacetKind.STYLE,
    "aesthetic": FacetKind.STYLE,
    "look": FacetKind.STYLE,
    "vibe": FacetKind.STYLE,
    "background": FacetKind.SETTING,
    "backdrop": FacetKind.SETTING,
    "scenery": FacetKind.SETTING,
    "scene": FacetKind.SETTING,
}
"""Words that say what the word before them is."""
CATEGORY_KINDS: Final = {
    "character": FacetKind.CHARACTER,
    "clothes": FacetKind.OBJECT,
    "style": FacetKind.STYLE,
    "background": FacetKind.SETTING,
    "object": FacetKind.OBJECT,
}
"""What the categories of experts are about."""
_CUES: Final = {
    "first": (FacetKind.SUBJECT, 0.6),
    "setting": (FacetKind.SETTING, 0.9),
    "style": (FacetKind.STYLE, 1.6),
    "worn": (FacetKind.OBJECT, 1.5),
    "beside": (FacetKind.OBJECT, 0.5),
    "": (FacetKind.STYLE, 0.2),
}
_HEAD: Final = {
    FacetKind.SUBJECT: 1.0,
    FacetKind.CHARACTER: 1.0,
    FacetKind.STYLE: 0.8,
    FacetKind.SETTING: 0.7,
    FacetKind.OBJECT: 0.7,
    FacetKind.TECHNIQUE: 0.3,
}
_MODIFIER: Final = {
    FacetKind.SUBJECT: 0.5,
    FacetKind.CHARACTER: 0.6,
    FacetKind.STYLE: 0.5,
    FacetKind.SETTING: 0.4,
    FacetKind.OBJECT: 0.4,
    FacetKind.TECHNIQUE: 0.2,
}
_NOUNS: Final = (FacetKind.SUBJECT, FacetKind.CHARACTER)
_THINGS: Final = (*_NOUNS, FacetKind.OBJECT)
_CHATTER: Final = 0.3
"""The importance of words that nobody knows and nothing introduces."""
_WITH: Final = ("with", "w", "holding", "carrying", "wielding", "riding", "featuring")
_SAID_LATER: Final = 0.8
"""Of the importance of a subject that is not the first one."""


@dataclass(frozen=True)
class _Term:
    """Words of a phrase that mean one thing."""

    tokens: tuple[Token, ...]
    senses: tuple[Sense, ...]
    use: Use | None
    colour: bool

    @property
    def known(self) -> bool:
        return bool(self.senses) or (self.use is not None and self.use.named > 0)


def decompose(text: str, world: World, lexicon: Lexicon) -> Decomposition:
    """The parts of a request."""
    found = [phrase for phrase in phrases(text, lexicon)]
    words = dict.fromkeys(token.text for phrase in found for token in phrase.content)
    beside = [
        (first.word, second.word)
        for phrase in found
        for first, second in pairwise(phrase.content)
        if not (lexicon.senses([first.word]) and lexicon.senses([second.word])) and second.word not in MARKERS
    ]
    return _Parts(text, lexicon, world.uses(list(words)), world.pairs(beside)).of(found)


class _Parts:
    def __init__(
        self,
        text: str,
        lexicon: Lexicon,
        uses: Mapping[str, Use],
        pairs: Collection[tuple[str, str]],
    ) -> None:
        self._text, self._lexicon, self._uses, self._pairs = text, lexicon, uses, pairs
        self._facets: list[Facet] = []
        self._rest: list[str] = []
        self._avoided: list[str] = []
        self._has_subject = False

    def of(self, found: Sequence[Phrase]) -> Decomposition:
        for phrase in found:
            if phrase.cue == "avoided":
                self._avoid(phrase)
            elif not is_place(phrase):
                self._take(phrase)
        order = sorted(range(len(self._facets)), key=lambda place: self._facets[place].start)
        moved = {old: new for new, old in enumerate(order)}
        facets = [
            facet.model_copy(update={"of": moved[facet.of] if facet.of is not None else None})
            for facet in (self._facets[place] for place in order)
        ]
        return Decomposition(
            facets=tuple(facets), rest=tuple(self._rest), avoided=tuple(dict.fromkeys(self._avoided))
        )

    def _avoid(self, phrase: Phrase) -> None:
        if content := phrase.content:
            self._avoided.append(self._text[content[0].start : content[-1].end])

    def _take(self, phrase: Phrase) -> None:
        terms = self._terms(phrase.content)
        marked = None
        while (
            terms and len(terms) > 1 and terms[-1].tokens[-1].word in MARKERS and len(terms[-1].tokens) == 1
        ):
            marked = MARKERS[terms.pop().tokens[-1].word]
        solid = [place for place, term in enumerate(terms) if not term.colour]
        if not solid:
            self._rest += [token.text for term in terms for token in term.tokens]
            return
        head_place = self._head(terms, solid, phrase, marked)
        head = terms[head_place]
        kind = self._kind(head, phrase, marked if head_place == solid[-1] else None)
        if phrase.medium and kind in (FacetKind.SUBJECT, FacetKind.OBJECT) and not head.known:
            kind = FacetKind.TECHNIQUE  # "an aquatint of a cat"
        # A head that nobody knows is perhaps a name: words before it that nobody knows belong to it.
        first = head_place
        while not head.known and first > 0 and not terms[first - 1].known and not terms[first - 1].colour:
            first -= 1
        importance = self._weight(kind, first_said=not self._has_subject)
        if not head.known and not _is_introduced(phrase):
            importance = min(importance, _CHATTER)
        place = self._add(kind, terms[first : head_place + 1], importance, None)
        if kind in _NOUNS:
            self._has_subject = True
        for at, term in enumerate(terms):
            if first <= at <= head_place:
                continue
            if not term.known or (term.colour and not self._named(term)):
                self._rest += [token.text for token in term.tokens]
                continue
            own = self._kind(term, None, None)
            after = at > head_place  # "a fish underwater"
            self._add(own, [term], _HEAD[own] if after else _MODIFIER[own], None if after else place)

    def _head(
        self, terms: Sequence[_Term], solid: Sequence[int], phrase: Phrase, marked: FacetKind | None
    ) -> int:
        """The place of the word that a phrase is about: the last, or the last that is somebody or something where only
        a place or a look follows ("a fish underwater")."""
        last = solid[-1]
        if (
            phrase.cue not in ("first", "")
            or marked is not None
            or self._kind(terms[last], None, None) in _THINGS
        ):
            return last
        nouns = [at for at in solid if terms[at].known and self._kind(terms[at], None, None) in _NOUNS]
        return nouns[-1] if nouns and terms[last].known else last

    def _add(self, kind: FacetKind, terms: Sequence[_Term], importance: float, of: int | None) -> int:
        tokens = [token for term in terms for token in term.tokens]
        start, end = tokens[0].start, tokens[-1].end
        sought = " ".join(self._sought(term, kind) for term in terms)
        for place, facet in enumerate(self._facets):
            if facet.kind is kind and facet.sought == sought:
                return place
        self._facets.append(
            Facet(
                kind=kind,
                text=self._text[start:end],
                start=start,
                end=end,
                importance=round(importance, 3),
                sought=sought,
                of=of,
            )
        )
        return len(self._facets) - 1

    def _weight(self, kind: FacetKind, *, first_said: bool) -> float:
        weight = _HEAD[kind]
        if kind in _NOUNS and not first_said:
            weight *= _SAID_LATER
        return weight

    def _terms(self, tokens: Sequence[Token]) -> list[_Term]:
        found = []
        place = 0
        words = [token.word for token in tokens]
        while place < len(tokens):
            length, senses = self._lexicon.longest(words, place)
            length = max(length, 1)
            together = self._together(words, place)
            if together > length:
                length, senses = together, self._lexicon.senses(words[place : place + together])
            some = tuple(tokens[place : place + length])
            use = self._uses.get(some[-1].text) if length in (1, together) else None
            colour = length == 1 and self._lexicon.colour(some[0].word) is not None
            if length == 1 and not senses and not colour and (use is None or not use.experts):
                senses = self._lexicon.misspelt(some[0].word)
            term = _Term(some, senses, use, colour)
            if term.known or colour or not is_doing(some[0]):
                found.append(term)
            else:
                self._rest.append(some[0].text)
            place += length
        return found

    def _together(self, words: Sequence[str], place: int) -> int:
        """How many words from a place on name one expert together, two by two: "red panda"; 0 for one alone."""
        end = place
        while end + 1 < len(words) and (words[end], words[end + 1]) in self._pairs:
            end += 1
        return end - place + 1 if end > place else 0

    def _named(self, term: _Term) -> bool:
        return term.use is not None and term.use.named > 0

    def _kind(self, term: _Term, phrase: Phrase | None, marked: FacetKind | None) -> FacetKind:
        votes: dict[FacetKind, float] = dict.fromkeys(FacetKind, 0.0)
        if marked is not None:
            votes[marked] += 3.0
        for place, sense in enumerate(term.senses):
            votes[FacetKind(sense.kind)] += 1.0 if place == 0 else 0.8
        for kind, share in _of_catalog(term.use):
            votes[kind] += 1.2 * share
        if phrase is not None:
            kind, weight = _CUES[phrase.cue]
            if phrase.cue == "first" and self._has_subject:
                weight = 0.2
            if not term.known and phrase.lead[:1] and phrase.lead[0].lower == "by" and _is_name(term):
                kind, weight = FacetKind.STYLE, 1.0  # "by Ada Example"
            votes[kind] += weight
        best = max(FacetKind, key=lambda kind: votes[kind])
        return best if votes[best] else FacetKind.OBJECT

    def _sought(self, term: _Term, kind: FacetKind) -> str:
        """What the catalog is asked for: its own word where it has one, else the usual word for the sense."""
        said = " ".join(token.text for token in term.tokens)
        if self._named(term):
            return said
        for sense in term.senses:
            if FacetKind(sense.kind) is kind:
                return sense.canonical
        return term.senses[0].canonical if term.senses else said


def _is_introduced(phrase: Phrase) -> bool:
    """Whether something says that a word nobody knows is a thing, a look or a place: an article, a small word before
    it, a capital letter. "Make it quick" says nothing of the kind."""
    content = phrase.content
    named = bool(content) and all(token.text[:1].isupper() and token.start > 0 for token in content)
    led = bool(phrase.lead) and (phrase.cue != "beside" or phrase.lead[0].lower in _WITH)
    return named or led or any(token.is_article for token in phrase.tokens)


def _is_name(term: _Term) -> bool:
    return all(token.text[0].isupper() for token in term.tokens)


def _of_catalog(use: Use | None) -> Iterable[tuple[FacetKind, float]]:
    """What the experts that a word names are for, by the share of those that say so."""
    if use is None or not use.named:
        return ()
    said = {category: count for category, count in use.categories.items() if category in CATEGORY_KINDS}
    total = sum(said.values())
    return [(CATEGORY_KINDS[category], count / total) for category, count in said.items()]
