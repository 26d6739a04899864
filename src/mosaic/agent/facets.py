"""The facets of a request as a language model names them: checked against the request, placed and put in order.

A model says words, never places: a facet whose words do not stand in the request is dropped, and so is one whose words
all belong to others already.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mosaic.agent.quoting import cleaned, occurrences
from mosaic.agent.values import Decomposition, Facet, FacetKind
from mosaic.catalog.store import terms

MOST: Final = 16
"""Facets of a request that are kept."""
_LONGEST: Final = 80
"""Code points of what is sought."""
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_SMALL: Final = frozenset(
    {
        "a",
        "an",
        "and",
        "as",
        "at",
        "by",
        "for",
        "from",
        "in",
        "into",
        "it",
        "its",
        "no",
        "not",
        "of",
        "on",
        "or",
    }
    | {"some", "that", "the", "this", "to", "under", "with", "without"}
)
"""Words that say nothing by themselves."""
_ARTICLE: Final = re.compile(r"(?:a|an|the|some)\s+", re.IGNORECASE)
_DENIED: Final = re.compile(r"\b(no|not|without|never|avoid|minus)\b[^,.;:!?]*\Z", re.IGNORECASE)
"""What stands before words of which the picture shall have nothing."""

SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "facets": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "kind": {"type": "string", "enum": [str(kind) for kind in FacetKind]},
                    "text": {"type": "string"},
                    "importance": {"type": "number"},
                    "sought": {"type": "string"},
                    "of": {"type": ["integer", "null"]},
                },
                "required": ["kind", "text", "importance", "sought", "of"],
                "additionalProperties": False,
            },
        },
        "avoided": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["facets", "avoided"],
    "additionalProperties": False,
}
"""What a model is held to, strict in the sense of OpenAI's structured outputs."""


@dataclass(frozen=True)
class _Said:
    """A facet as it was said, and where it stands."""

    place: int  # in the model's list
    kind: FacetKind
    importance: float
    sought: str
    of: int | None
    start: int
    end: int


def read_facets(document: Any, text: str) -> Decomposition:
    """The facets that can be used, in the order of the request; none where nothing can."""
    said = document.get("facets") if isinstance(document, dict) else None
    avoided = _avoided(document, text)
    placed = _placed(_wanted(said if isinstance(said, list) else []), text, avoided)
    order = {each.place: place for place, each in enumerate(placed)}
    facets = tuple(
        Facet(
            kind=each.kind,
            text=text[each.start : each.end],
            start=each.start,
            end=each.end,
            importance=each.importance,
            sought=each.sought or cleaned(text[each.start : each.end], _LONGEST),
            of=order.get(each.of) if each.of is not None and each.of != each.place else None,
        )
        for each in placed
    )
    held = [*((facet.start, facet.end) for facet in facets), *avoided]
    return Decomposition(
        facets=_without_rings(facets),
        rest=tuple(
            found[0] for found in _WORD.finditer(text) if not _meets(found.span(), held) and _says(found[0])
        ),
        avoided=tuple(text[start:end] for start, end in avoided),
    )


def _says(word: str) -> bool:
    return word.lower() not in _SMALL and bool(terms.words(word))


def _wanted(said: Sequence[Any]) -> list[tuple[int, Mapping[str, Any]]]:
    """The facets of the right shape, the most important first."""
    found = [(place, each) for place, each in enumerate(said[: 4 * MOST]) if _is_shaped(each)]
    return sorted(found, key=lambda one: -_importance(one[1]))


def _is_shaped(each: Any) -> bool:
    return (
        isinstance(each, dict)
        and each.get("kind") in tuple(FacetKind)
        and isinstance(each.get("text"), str)
        and isinstance(each.get("sought"), str)
    )


def _importance(each: Mapping[str, Any]) -> float:
    value = each.get("importance")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0.5
    return round(min(max(float(value), 0.0), 1.0), 3)


def _placed(
    wanted: Sequence[tuple[int, Mapping[str, Any]]], text: str, taken: Sequence[tuple[int, int]]
) -> list[_Said]:
    """Each facet at its first words that no other has."""
    places = list(taken)
    found: list[_Said] = []
    for place, each in wanted:
        words = cleaned(each["text"])
        article = _ARTICLE.match(words)
        words = words[article.end() :] if article else words
        spot = next((spot for spot in occurrences(text, words) if not _meets(spot, places)), None)
        if spot is None or len(found) == MOST:
            continue
        places.append(spot)
        of = each.get("of")
        is_place = isinstance(of, int) and not isinstance(of, bool)
        sought = cleaned(each["sought"], _LONGEST)
        found.append(
            _Said(place, FacetKind(each["kind"]), _importance(each), sought, of if is_place else None, *spot)
        )
    return sorted(found, key=lambda each: each.start)


def _avoided(document: Any, text: str) -> list[tuple[int, int]]:
    said = document.get("avoided") if isinstance(document, dict) else None
    found: list[tuple[int, int]] = []
    for each in said[:MOST] if isinstance(said, list) else ():
        spots = (
            [spot for spot in occurrences(text, each) if not _meets(spot, found)]
            if isinstance(each, str)
            else []
        )
        denied = [spot for spot in spots if _DENIED.search(text, 0, spot[0])]
        found += (denied or spots)[:1]
    return sorted(found)


def _meets(spot: tuple[int, int], others: Sequence[tuple[int, int]]) -> bool:
    return any(spot[0] < end and start < spot[1] for start, end in others)


def _without_rings(facets: tuple[Facet, ...]) -> tuple[Facet, ...]:
    """Facets that say more about each other in a ring say more about nothing."""
    found = list(facets)
    for place in range(len(found)):
        seen, at = {place}, found[place].of
        while at is not None and at not in seen:
            seen.add(at)
            at = found[at].of
        if at is not None:
            found[place] = found[place].model_copy(update={"of": None})
    return tuple(found)
