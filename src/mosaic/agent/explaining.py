"""What could not be met and why, and a plan explained in two sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from mosaic.agent.retrieving import NAMED
from mosaic.agent.values import (
    Brief,
    Combination,
    Facet,
    FacetKind,
    LeftOut,
    Ranking,
    Shortlist,
)
from mosaic.agent.weighing import BUDGET, POLICY

MATTERS: Final = 0.6
"""The importance from which a facet has to be in the picture for the request to be met."""
_NEED_EXPERTS: Final = (FacetKind.STYLE, FacetKind.CHARACTER)
"""What a base shows seldom by words alone: where the only experts for it are forbidden, that is told."""
_NOUNS: Final = (FacetKind.SUBJECT, FacetKind.CHARACTER)
_TOLD: Final = 3


def unmet(brief: Brief) -> tuple[LeftOut, ...]:
    """What of a request no plan can meet within its limits."""
    return tuple(_unmet(brief))


def explain(brief: Brief, experts: Sequence[str], seconds: float | None, left: Sequence[LeftOut]) -> str:
    """Two sentences: what the plan does with which experts, and what it leaves out."""
    best = brief.ranking.combinations[0] if brief.ranking.combinations else None
    if best is None:
        return "No plan can be made of what the catalog holds within these limits."
    facets = brief.decomposition.facets
    base = next((id for id in experts if id in brief.shortlist.bases), best.base)
    first_of = {option.expert: option.facet for option in reversed(brief.shortlist.options)}
    others = sorted((id for id in experts if id != base), key=lambda id: first_of.get(id, len(facets)))
    told = [f"{id}{_for(id, brief, facets)}" for id in others]
    first = f"The plan draws with {base}{_for(base, brief, facets)}" + (f", {_listed(told)}" if told else "")
    said = [f"“{facets[place].text}”" for place in best.spoken]
    if said:
        first += f"; the prompt says {_listed(said)}"
    if seconds is not None:
        first += f"; a run is predicted to take {seconds:.2g} s"
    if not left:
        return f"{first}. Nothing that was asked for is left out."
    reasons: dict[str, list[str]] = {}
    for each in left:
        reasons.setdefault(each.reason, []).append(f"“{each.what}”")
    missing = [f"{_listed(words)} ({reason})" for reason, words in reasons.items()]
    return f"{first}. Left out: {_listed(missing[:_TOLD])}."


def omitted(brief: Brief) -> tuple[LeftOut, ...]:
    """Words of the request that are in the picture neither by an expert nor by the prompt."""
    best = brief.ranking.combinations[0] if brief.ranking.combinations else None
    if best is None:
        return ()
    return tuple(
        _unserved(place, brief.decomposition.facets[place], best, brief.shortlist) for place in best.unserved
    )


def neglected(brief: Brief, experts: Sequence[str]) -> tuple[LeftOut, ...]:
    """Words of the request that an expert could serve, and none of a plan's experts does: a model chose so."""
    best = brief.ranking.combinations[0] if brief.ranking.combinations else None
    if best is None:
        return ()
    found = []
    for place in best.served:
        if not any(option.facet == place and option.expert in experts for option in brief.shortlist.options):
            what = brief.decomposition.facets[place].text
            found.append(LeftOut(what=what, reason="the plan has no expert for it", facet=place))
    return tuple(found)


def _unmet(brief: Brief) -> Iterator[LeftOut]:
    facets, shortlist, ranking = brief.decomposition.facets, brief.shortlist, brief.ranking
    if not facets:
        yield LeftOut(what=brief.request.text[:80], reason="nothing in it says what to draw")
    if not shortlist.bases:
        forbidden = [left for left in shortlist.left_out if left.facet is None]
        yield from forbidden[:_TOLD]
        if not forbidden:
            yield LeftOut(
                what="a base",
                reason="the catalog has no checkpoint that may be used and that the engine runs",
            )
    yield from (left for left in ranking.left_out if left.what in (BUDGET, POLICY) and _counts(left, ranking))
    best = ranking.combinations[0] if ranking.combinations else None
    held = {pick.expert for pick in best.picks} | {best.base} if best is not None else set()
    for id in brief.request.limits.wanted:
        if id not in held:
            yield LeftOut(what=id, reason=_why(id, shortlist, ranking))
    if best is None:
        for left in ranking.left_out[:_TOLD]:
            if left.what not in (BUDGET, POLICY):
                yield LeftOut(what="a plan", reason=left.reason)
        return
    if facets and not best.served and not best.spoken and max(f.importance for f in facets) < MATTERS:
        place = max(range(len(facets)), key=lambda at: facets[at].importance)
        yield _unserved(place, facets[place], best, shortlist)
    for place, facet in enumerate(facets):
        if facet.importance < MATTERS:
            continue
        if place in best.unserved:
            # Of "a crab king" a crab is something: the rest is told among what is left out.
            if not any(
                other.of == place and at not in best.unserved and other.kind in _NOUNS
                for at, other in enumerate(facets)
            ):
                yield _unserved(place, facet, best, shortlist)
        elif (
            place in best.spoken and facet.kind in _NEED_EXPERTS and (reason := _forbidden(place, shortlist))
        ):
            yield LeftOut(what=facet.text, reason=reason, facet=place)


def _counts(left: LeftOut, ranking: Ranking) -> bool:
    """A budget or policy that only some combinations miss is no hindrance. The budget's own answer is that of a ranking
    without it, which is told first."""
    if not ranking.combinations:
        return True
    return left.what == BUDGET and ranking.left_out[:1] == (left,)


def _unserved(place: int, facet: Facet, best: Combination, shortlist: Shortlist) -> LeftOut:
    if place in best.cut:
        return LeftOut(what=facet.text, reason="the prompt has no room for it", facet=place)
    reason = _forbidden(place, shortlist)
    options = [option.expert for option in shortlist.options if option.facet == place]
    if reason:
        reason = f"{reason}, and {best.base} does not know it"
    elif options:
        reason = f"{options[0]} does not go with the rest, and {best.base} does not know it"
    else:
        reason = f"no expert is called so, and {best.base} does not know it"
    return LeftOut(what=facet.text, reason=reason, facet=place)


def _forbidden(place: int, shortlist: Shortlist) -> str:
    """The best expert that is called as a facet is and why it may not be used, where no other is called so."""
    if any(option.facet == place and option.called for option in shortlist.options):
        return ""
    found = next((left for left in shortlist.left_out if left.facet == place), None)
    return f"{found.what} may not be used: {found.reason}" if found is not None else ""


def _why(id: str, shortlist: Shortlist, ranking: Ranking) -> str:
    for left in (*shortlist.left_out, *ranking.left_out):
        if left.what == id:
            return left.reason
    return "it fits no base that may be used"


def _for(id: str, brief: Brief, facets: Sequence[Facet]) -> str:
    places = dict.fromkeys(
        option.facet for option in brief.shortlist.options if option.expert == id and option.facet != NAMED
    )
    words = [f"“{facets[place].text}”" for place in places]
    return f" for {_listed(words)}" if words else ""


def _listed(words: Sequence[str]) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
