"""Experts for the parts of a request: everything that the plan may name, and why others are not among it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mosaic.agent.limits import Bounds
from mosaic.agent.matching import Match, Texts, Words
from mosaic.agent.offline.lexicon import Lexicon
from mosaic.agent.quoting import cleaned
from mosaic.agent.values import (
    LONGEST_DESCRIPTION,
    Decomposition,
    Facet,
    FacetKind,
    LeftOut,
    Limits,
    Option,
    Request,
    Shortlist,
    Sighting,
)
from mosaic.agent.world import World
from mosaic.agent.writing import nameable
from mosaic.catalog.record import Score
from mosaic.catalog.store import terms
from mosaic.catalog.store.search import Answer
from mosaic.catalog.store.sights import Sight
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.types import Kind

NAMED: Final = -1
"""In the place of a facet: the expert is asked for by name."""
_ASKED: Final = 14  # words of one question to the catalog
_LOOKED: Final = 16  # experts of an answer that are looked at
_RELATED: Final = 0.8
"""What a name that only stands near to a word counts for it, times the cosine of the two."""
_KEPT: Final = 4  # options of a facet
_LEAST: Final = 0.17  # score of an option
_BASES: Final = 4
_PRIOR: Final = 0.5
"""The capability of an expert that was not measured."""
_BY_NAME: Final = (FacetKind.STYLE, FacetKind.CHARACTER)
_KINDS: Final = (Kind.LORA, Kind.EMBEDDING, Kind.CHECKPOINT)
_TITLE: Final = 80
_TAGS: Final = 8
_FORBIDDEN: Final = 3  # experts of a facet that are told to be forbidden


@dataclass(frozen=True)
class _Seen:
    """An expert that answers a facet."""

    sight: Sight
    match: Match
    score: float
    measure: Score | None


def retrieve(
    request: Request, parts: Decomposition, world: World, bounds: Bounds, lexicon: Lexicon
) -> Shortlist:
    """The experts that may serve a request, within its family, licence and rating."""
    limits = request.limits
    families = [limits.family] if limits.family else list(world.context.families)
    left: dict[tuple[str, int | None], LeftOut] = {}
    wanted = _asked(parts.facets, world, lexicon)
    own = {word for each in parts.facets for word in terms.words(f"{each.text} {each.sought}")}
    answers = _answers(wanted, own, world, families)
    seen = {sight.facts.id: sight for sight in world.sights([id for found in answers for id in found])}
    options: list[Option] = []
    for place, (facet, found) in enumerate(zip(parts.facets, answers, strict=True)):
        ranked = _ranked(facet, wanted[place], found, seen)
        allowed = []
        for each in ranked:
            id = each.sight.facts.id
            reason = _refusal(each.sight.facts, limits, world, bounds)
            if not reason:
                allowed.append(each)
            elif each.match.named and sum(key[1] == place for key in left) < _FORBIDDEN:
                left.setdefault((id, place), LeftOut(what=id, reason=reason, facet=place))
        if any(each not in allowed and each.match.called for each in ranked):
            # What is called so may not be used: what only says so, or is near, does not take its place.
            allowed = [each for each in allowed if each.match.called]
        options += [_option(place, each) for each in allowed[:_KEPT]]
    _elsewhere(parts.facets, wanted, own, options, families, world, left)
    options += _wanted(limits, options, seen, world, bounds, left)
    bases = _bases(request, options, seen, world, bounds, families, left)
    experts = {
        id: sighting(seen[id]) for id in dict.fromkeys((*bases, *(option.expert for option in options)))
    }
    return Shortlist(
        bases=tuple(bases), options=tuple(options), experts=experts, left_out=tuple(left.values())
    )


def wordings(facet: Facet, lexicon: Lexicon) -> list[Words]:
    """What the catalog is asked for: the facet's words as said and as sought, its synonyms, and what is near to it."""
    found: dict[tuple[str, ...], float] = {}

    def add(text: str, weight: float) -> None:
        words = tuple(terms.words(text))
        if words:
            found[words] = max(found.get(words, 0.0), weight)

    add(facet.text, 1.0)
    add(facet.sought, 1.0)
    for text in dict.fromkeys((facet.sought, facet.text)):
        for synonym, weight in lexicon.synonyms(text):
            add(synonym, 0.95 * weight)
    words = terms.words(facet.sought)
    if len(words) > 1:  # a head with words before it is asked for alone, too
        add(words[-1], 0.8)
        for synonym, weight in lexicon.synonyms(words[-1]):
            add(synonym, 0.75 * weight)
    return [Words(words, weight) for words, weight in sorted(found.items(), key=lambda each: -each[1])]


def sighting(sight: Sight) -> Sighting:
    """An expert as it is shown: what strangers wrote, bounded."""
    facts = sight.facts
    return Sighting(
        expert=facts.id,
        kind=str(facts.kind),
        family=facts.family,
        category=facts.category,
        title=cleaned(facts.title, _TITLE),
        trigger=cleaned(facts.trigger, _TITLE) if facts.trigger else None,
        description=cleaned(sight.description, LONGEST_DESCRIPTION),
        tags=tuple(cleaned(tag, _TITLE) for tag in sight.tags[:_TAGS]),
        license=facts.license,
        rating=facts.rating,
        strengths=facts.strengths,
    )


def _asked(facets: Sequence[Facet], world: World, lexicon: Lexicon) -> list[list[Words]]:
    """What is asked for each facet. Where no expert is called by any of its words, those count that experts are called
    by who say the facet's own words."""
    wanted = [wordings(facet, lexicon) for facet in facets]
    words = dict.fromkeys(word for some in wanted for each in some for word in each.words)
    named = world.named(list(words))
    for facet, some in zip(facets, wanted, strict=True):
        if not any(word in named for each in some for word in each.words):
            near = world.related(terms.words(facet.text))
            found = {each.term: each.cosine for names in near.values() for each in names}
            some += [Words((term,), round(_RELATED * cosine, 4)) for term, cosine in found.items()]
    return wanted


def _answers(
    wanted: Sequence[Sequence[Words]], own: Collection[str], world: World, families: Sequence[str]
) -> list[Mapping[str, Answer]]:
    texts = []
    for some in wanted:
        words = dict.fromkeys(word for each in some for word in each.words)
        texts.append(" ".join(list(words)[:_ASKED]))
    found = world.answers(texts, families, _LOOKED, own) if texts else ()
    return [{answer.id: answer for answer in some} for some in found]


def _elsewhere(
    facets: Sequence[Facet],
    wanted: Sequence[Sequence[Words]],
    own: Collection[str],
    options: Sequence[Option],
    families: Sequence[str],
    world: World,
    left: dict[tuple[str, int | None], LeftOut],
) -> None:
    """Notes experts of other families that are called as a facet is, where none of these is: a style or somebody that
    no words can stand for."""
    called = {option.facet for option in options if option.called} | {key[1] for key in left}
    places = [place for place, facet in enumerate(facets) if facet.kind in _BY_NAME and place not in called]
    if not places:
        return
    for place, found in zip(
        places, _answers([wanted[place] for place in places], own, world, ()), strict=True
    ):
        for sight in world.sights(list(found)):
            family = sight.facts.family
            if family in families or not Texts(sight).answer(wanted[place], facets[place].kind).called:
                continue
            id = sight.facts.id
            reason = (
                f"it is made for {family or 'an unknown family'}, the base would be {' or '.join(families)}"
            )
            left.setdefault((id, place), LeftOut(what=id, reason=reason, facet=place))
            break


def _ranked(
    facet: Facet, wanted: Sequence[Words], found: Mapping[str, Answer], seen: Mapping[str, Sight]
) -> list[_Seen]:
    ranked = []
    for id in found:
        sight = seen.get(id)
        if sight is None or sight.facts.kind not in _KINDS:
            continue
        match = Texts(sight).answer(wanted, facet.kind)
        measure = _measure(sight, facet)
        score = round(match.relevance * (0.6 + 0.4 * (measure.low if measure else _PRIOR)), 4)
        if score >= _LEAST:
            ranked.append(_Seen(sight, match, score, measure))
    return sorted(ranked, key=lambda each: (-each.score, each.sight.facts.id))


def _measure(sight: Sight, facet: Facet) -> Score | None:
    """What was measured of an expert that says most of a facet: its name shares most words with what is asked for or
    with the facet's kind, else with the expert's triggers; else the first, by which it was judged first of all."""
    asked = {*terms.words(f"{facet.text} {facet.sought}"), str(facet.kind)}
    triggers = {word for trigger in sight.facts.triggers for word in terms.words(trigger)}

    def rank(score: Score) -> tuple[int, int]:
        said = terms.words(score.name)
        return (-sum(word in asked for word in said), -sum(word in triggers for word in said))

    return min(sight.scores, key=rank, default=None)


def _option(place: int, seen: _Seen) -> Option:
    words = ", ".join(f"“{word}”" for word in seen.match.words)
    how = (
        "its description says"
        if not seen.match.named
        else "is called"
        if seen.match.called
        else "comes near by"
    )
    reasons = [f"{how} {words}"]
    measure = seen.measure
    if measure is not None:
        reasons.append(f"measured: {measure.name} right in {measure.share:.0%} of {measure.n} pictures")
    return Option(
        facet=place,
        expert=seen.sight.facts.id,
        score=seen.score,
        relevance=round(seen.match.relevance, 4),
        called=seen.match.called,
        measured=measure.low if measure else None,
        measure=measure.name if measure else "",
        reasons=tuple(reasons),
    )


def _refusal(facts: ExpertFacts, limits: Limits, world: World, bounds: Bounds) -> str:
    if not nameable(facts.id):
        return "no plan can name it by its id"
    if facts.id in limits.without:
        return "not wanted"
    return bounds.forbids(facts, world.context.licences)


def _wanted(
    limits: Limits,
    options: Sequence[Option],
    seen: dict[str, Sight],
    world: World,
    bounds: Bounds,
    left: dict[tuple[str, int | None], LeftOut],
) -> Iterable[Option]:
    """Experts that are asked for by name and that no facet has."""
    held = {option.expert for option in options}
    ids = [id for id in limits.wanted if id not in held]
    for sight in world.sights(ids):
        seen[sight.facts.id] = sight
    for id in ids:
        if id not in seen:
            left[id, None] = LeftOut(what=id, reason="the catalog has no such expert")
            continue
        facts = seen[id].facts
        reason = _refusal(facts, limits, world, bounds)
        if reason:
            left[id, None] = LeftOut(what=id, reason=reason)
            continue
        yield Option(facet=NAMED, expert=id, score=1.0, relevance=1.0, reasons=("asked for by name",))


def _bases(
    request: Request,
    options: Sequence[Option],
    seen: dict[str, Sight],
    world: World,
    bounds: Bounds,
    families: Sequence[str],
    left: dict[tuple[str, int | None], LeftOut],
) -> list[str]:
    """Checkpoints that the plan may start from: what is asked for, what serves a facet, what the adapters were
    trained on, and others of their family."""
    limits = request.limits
    asked = [limits.base] if limits.base else []
    serving = [o.expert for o in options if seen[o.expert].facts.kind is Kind.CHECKPOINT]
    trained = dict.fromkeys(
        seen[option.expert].facts.trained_on for option in options if seen[option.expert].facts.trained_on
    )
    parents = [facts.id for sha in list(trained)[:_BASES] for facts in world.library.by_digest(sha)[:1]]
    others = [facts.id for facts in world.library.checkpoints(families)]
    wanted = asked or [*serving, *parents, *others]
    ids = list(dict.fromkeys(wanted))[: 4 * _BASES]
    seen |= {sight.facts.id: sight for sight in world.sights([id for id in ids if id not in seen])}
    found = []
    for id in ids:
        sight = seen.get(id)
        if sight is None or sight.facts.kind is not Kind.CHECKPOINT:
            left[id, None] = LeftOut(what=id, reason="the catalog has no such checkpoint")
            continue
        if sight.facts.family not in families or sight.facts.lacks or sight.facts.variant:
            continue
        reason = _refusal(sight.facts, limits, world, bounds)
        if reason:
            left.setdefault((id, None), LeftOut(what=id, reason=reason))
            continue
        found.append(id)
    return found[:_BASES]
