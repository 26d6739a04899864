"""What a model in this process may say of a request: JSON in which every facet's words are words of the request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from mosaic.agent.facets import MOST
from mosaic.agent.quoting import cleaned
from mosaic.agent.values import FacetKind

_WORD: Final = re.compile(r"\w+(?:['’-]\w+)*")
_BREAK: Final = re.compile(r"[,.;:!?\n()]")
_LONGEST: Final = 6
"""Words of a facet."""
_MOST_SPANS: Final = 4000
"""Spans that are told apart; of a longer request only the shorter ones are."""
_MOST_AVOIDED: Final = 4


def facets_schema(text: str) -> Mapping[str, Any]:
    """The JSON schema of a request's facets: `SCHEMA` of `mosaic.agent.facets`, with the words that may be named."""
    words: Mapping[str, Any] = {"type": "string", "enum": list(spans(text))}
    facet = {
        "kind": {"type": "string", "enum": [str(kind) for kind in FacetKind]},
        "text": words,
        "importance": {"type": "number", "enum": [round(0.1 * tenth, 1) for tenth in range(1, 11)]},
        "sought": {"type": "string", "pattern": r"^[^\x00-\x1f\x7f\\]{1,60}$"},
        "of": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": MOST - 1}, {"type": "null"}]},
    }
    properties = {
        "facets": {"type": "array", "items": _object(facet), "minItems": 1, "maxItems": MOST},
        "avoided": {"type": "array", "items": words, "maxItems": _MOST_AVOIDED},
    }
    return _object(properties)


def spans(text: str) -> Sequence[str]:
    """Neighbouring words of a request within a phrase, letter by letter, the short ones first; the whole request where
    it has no words."""
    found = dict.fromkeys(span for span in _spans(text) if cleaned(span))
    return list(found)[:_MOST_SPANS] or [text]


def _spans(text: str) -> Iterator[str]:
    phrases = [list(_WORD.finditer(phrase)) for phrase in _BREAK.split(text)]
    for length in range(1, _LONGEST + 1):
        for words in phrases:
            for first, last in zip(words, words[length - 1 :], strict=False):
                yield first.string[first.start() : last.end()]


def _object(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
