"""Facets taken apart."""

from __future__ import annotations

from mosaic.agent.refining import refine
from mosaic.agent.values import Decomposition, Facet, FacetKind

TEXT = "a blue owl wearing a hat in the snow, watercolor"


def facet(text: str, kind: FacetKind, importance: float, of: int | None = None) -> Facet:
    start = TEXT.index(text)
    return Facet(
        kind=kind, text=text, start=start, end=start + len(text), importance=importance, sought=text, of=of
    )


OWL = facet("owl", FacetKind.CHARACTER, 1.0)
HAT = facet("hat", FacetKind.OBJECT, 0.7)
SNOW = facet("snow", FacetKind.SETTING, 0.7)
WASH = facet("watercolor", FacetKind.STYLE, 0.8)


def test_what_holds_several_things_becomes_these() -> None:
    whole = facet("a blue owl wearing a hat", FacetKind.SUBJECT, 0.9)
    look = facet("watercolor", FacetKind.STYLE, 0.5, of=0)
    found = refine(
        Decomposition(facets=(whole, look), rest=("a",)), Decomposition(facets=(OWL, HAT, SNOW, WASH))
    )
    assert [(each.text, each.kind, each.importance, each.of) for each in found.facets] == [
        ("owl", FacetKind.CHARACTER, 0.9, None),
        ("hat", FacetKind.OBJECT, 0.63, None),
        ("watercolor", FacetKind.STYLE, 0.5, None),
    ]
    assert found.rest == ("a",)


def test_what_is_one_thing_stays_as_the_model_has_it() -> None:
    coarse = Decomposition(
        facets=(facet("blue owl", FacetKind.SUBJECT, 1.0), facet("snow", FacetKind.SETTING, 0.2, of=0))
    )
    assert refine(coarse, Decomposition(facets=(OWL, HAT, SNOW, WASH))) is coarse
