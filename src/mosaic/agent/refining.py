"""Facets of a model made finer: one that holds several things that words tell apart becomes these.

Models like to answer with long facets ("a blue owl wearing a hat"). The catalog is asked facet by facet, so an expert
for an owl and one for a hat would compete for one place.
"""

from __future__ import annotations

from mosaic.agent.values import Decomposition, Facet


def refine(coarse: Decomposition, fine: Decomposition) -> Decomposition:
    """The facets of `coarse`, those that hold two or more of `fine` taken apart. What is of less importance within one
    that is, is of less importance at all."""
    found: list[Facet] = []
    for facet in coarse.facets:
        inner = [each for each in fine.facets if facet.start <= each.start and each.end <= facet.end]
        if len(inner) < 2:
            found.append(facet)
            continue
        most = max(each.importance for each in inner)
        found += [
            each.model_copy(
                update={"importance": round(facet.importance * each.importance / most, 3), "of": None}
            )
            for each in inner
        ]
    if len(found) == len(coarse.facets):
        return coarse
    ordered = sorted({(each.start, each.end): each for each in found}.values(), key=lambda each: each.start)
    places = {(each.start, each.end): place for place, each in enumerate(ordered)}
    kept = []
    for each in ordered:
        of = coarse.facets[each.of] if each.of is not None and each in coarse.facets else None
        kept.append(
            each.model_copy(update={"of": places.get((of.start, of.end)) if of is not None else None})
        )
    return coarse.model_copy(update={"facets": tuple(kept)})
