"""Facets as a model says them: those that are kept stand in the request."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mosaic.agent.facets import read_facets
from mosaic.agent.values import (
    FacetKind,
)

# Facets and replies, whatever they hold


def test_facets_are_found_where_no_other_has_the_words() -> None:
    said = {
        "facets": [
            {"kind": "style", "text": "cat", "importance": 0.1, "sought": "x", "of": 1},
            {"kind": "subject", "text": "cat in a cat", "importance": 1, "sought": "", "of": 0},
            {"kind": "object", "text": "CATALOG", "importance": 7, "sought": " a  book ", "of": 9},
            {"kind": "object", "text": "dog", "importance": 1, "sought": "dog", "of": None},
        ]
    }
    found = read_facets(said, "a catalog, a cat in a cat suit")
    assert [(f.text, f.importance, f.sought, f.of) for f in found.facets] == [
        ("catalog", 1.0, "a book", None),
        ("cat in a cat", 1.0, "cat in a cat", None),
    ]
    assert found.rest == ("suit",)


def test_what_is_avoided_is_where_it_is_denied() -> None:
    said = {
        "facets": [{"kind": "object", "text": "hat", "importance": 1, "sought": "hat", "of": None}],
        "avoided": ["hat", "dog"],
    }
    found = read_facets(said, "a cat with a hat box, no hat")
    assert found.avoided == ("hat",)
    assert [(f.start, f.end) for f in found.facets] == [(13, 16)]


facet = st.fixed_dictionaries(
    {
        "kind": st.sampled_from([*FacetKind, "other", 3]),
        "text": st.one_of(
            st.sampled_from(["red", "cat", "red cat", "NEON", "neon lit", "a", "", "dog"]), st.integers()
        ),
        "importance": st.one_of(st.floats(), st.booleans(), st.none()),
        "sought": st.one_of(st.text(max_size=10), st.none()),
        "of": st.one_of(st.none(), st.integers(-3, 8), st.booleans()),
    }
)


@given(
    st.one_of(st.none(), st.lists(facet, max_size=8)),
    st.one_of(st.none(), st.lists(st.sampled_from(["cat", "hat", "x", 1]))),
)
def test_whatever_facets_are_said_those_kept_stand_in_the_request(said: Any, avoided: Any) -> None:
    text = "A red cat and a red CAT, neon lit; no hat"
    found = read_facets({"facets": said, "avoided": avoided}, text)
    end = 0
    for place, each in enumerate(found.facets):
        assert each.start >= end and text[each.start : each.end] == each.text and each.text and each.sought
        end = each.end
        seen, at = set(), place
        while at is not None:
            assert at not in seen
            seen.add(at)
            at = found.facets[at].of  # type: ignore[assignment]
    assert all(word in text for word in (*found.rest, *found.avoided))
