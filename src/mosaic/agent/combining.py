"""A choice of experts as a combination: names, strengths, a prompt and a plan that compiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mosaic.agent.bases import DOUBTED, Base
from mosaic.agent.offline.lexicon import Lexicon
from mosaic.agent.phrasing import Insert, Phrased, phrase
from mosaic.agent.retrieving import NAMED
from mosaic.agent.values import Combination, Decomposition, FacetKind, Option, Pick, Request, Shortlist
from mosaic.agent.world import World
from mosaic.agent.worth import Worth
from mosaic.agent.writing import Part, variables, write
from mosaic.catalog.store import terms
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.types import Kind

if TYPE_CHECKING:
    from mosaic.compiler import Compiled

_STRENGTH: Final = 0.8
"""Of a LoRA of which no range is known."""
_SECOND: Final = 0.5
"""Of the strength of a style that is only mentioned, beside another."""


@dataclass(frozen=True)
class State:
    """A choice so far: the option of each facet that was looked at, and what they are worth."""

    options: tuple[Option, ...] = ()
    value: float = 0.0

    @property
    def experts(self) -> tuple[str, ...]:
        """Their ids, each once."""
        return tuple(dict.fromkeys(option.expert for option in self.options))


class Combiner:
    """Makes plans of choices."""

    def __init__(
        self,
        request: Request,
        parts: Decomposition,
        shortlist: Shortlist,
        world: World,
        lexicon: Lexicon,
        worth: Worth,
    ) -> None:
        self._request, self._parts, self._shortlist = request, parts, shortlist
        self._world, self._lexicon, self._worth = world, lexicon, worth

    def plan(self, base: Base, state: State) -> Combination | Compiled:
        """The combination of a choice, or what its plan compiled to where that has errors."""
        ids = [id for id in state.experts if id in base.experts]
        experts = [base.experts[id] for id in ids]
        first = {id: min((o.facet for o in state.options if o.expert == id), default=0) for id in ids}
        order = sorted(range(len(ids)), key=lambda at: (first[ids[at]], at))  # as the request has them
        experts = [experts[at] for at in order]
        words = {
            option.expert: terms.words(self._parts.facets[option.facet].sought)[-1:]
            for option in state.options
            if option.facet != NAMED
        }
        names = variables(experts, {id: found[0] for id, found in words.items() if found})
        facets: Mapping[str, tuple[int, ...]] = {
            facts.id: tuple(o.facet for o in state.options if o.expert == facts.id and o.facet != NAMED)
            for facts in (*experts, base.facts)
        }
        facets = self._with_heads(facets)
        parts = [
            Part(facts, name, self._strength(facts, facets[facts.id], state))
            for facts, name in zip(experts, names, strict=True)
        ]
        inserts = [Insert(part.variable, part.facts.trigger or "", facets[part.facts.id]) for part in parts]
        if facets[base.facts.id]:
            inserts.append(Insert("base", base.facts.trigger or "", facets[base.facts.id]))
        silent = [place for place in range(len(self._parts.facets)) if base.spoken(place) == DOUBTED]
        phrased = phrase(self._request.text, self._parts, inserts, base.tongue, self._lexicon, silent)
        steps = self._steps(base.facts)
        plan = write(self._request, base.facts, parts, phrased.prompt, phrased.negative, steps=steps)
        compiled = self._world.compile(plan)
        if compiled.has_errors:
            return compiled
        decision = compiled.decisions.get(self._request.name)
        chosen = decision.chosen if decision is not None else None
        return self._told(
            base,
            state,
            parts,
            facets,
            phrased,
            plan,
            None if chosen is None or chosen.prediction.unknown else round(chosen.prediction.warm, 3),
        )

    def _with_heads(self, facets: Mapping[str, tuple[int, ...]]) -> Mapping[str, tuple[int, ...]]:
        """A character that its description calls what the word behind it says serves that word, too: of "a samurai
        warrior" the samurai is the warrior."""
        taken = {place for some in facets.values() for place in some}
        found = dict(facets)
        for id, some in facets.items():
            told = set(terms.words(self._shortlist.experts[id].description))
            for place in some:
                head = self._parts.facets[place].of
                if head is None or head in taken or self._parts.facets[head].kind is not FacetKind.SUBJECT:
                    continue
                if told & set(terms.words(self._parts.facets[head].sought)):
                    found[id] = (*found[id], head)
                    taken.add(head)
        return found

    def _told(
        self,
        base: Base,
        state: State,
        parts: Sequence[Part],
        facets: Mapping[str, tuple[int, ...]],
        phrased: Phrased,
        plan: str,
        seconds: float | None,
    ) -> Combination:
        served = tuple(sorted({place for some in facets.values() for place in some}))
        spoken = tuple(
            place
            for place in range(len(self._parts.facets))
            if place not in served and place in phrased.spoken and base.spoken(place) > 0
        )
        unserved = tuple(
            place for place in range(len(self._parts.facets)) if place not in served and place not in spoken
        )
        reasons = []
        for option in state.options:
            what = f"“{self._parts.facets[option.facet].text}”" if option.facet != NAMED else "asked for"
            reasons.append(f"{option.expert} for {what}: {'; '.join(option.reasons)}")
        if spoken:
            words = ", ".join(f"“{self._parts.facets[place].text}”" for place in spoken)
            reasons.append(
                f"{base.facts.id} knows {words}" if base.tongue.closed else f"the prompt says {words}"
            )
        adapters = [part.facts.id for part in parts]
        together = self._worth.together(adapters, base)
        return Combination(
            base=base.facts.id,
            picks=tuple(
                Pick(
                    expert=part.facts.id,
                    facets=facets[part.facts.id],
                    strength=part.strength if part.facts.kind is Kind.LORA else None,
                )
                for part in parts
            ),
            prompt=phrased.prompt,
            served=served,
            spoken=spoken,
            unserved=unserved,
            cut=tuple(place for place in unserved if base.spoken(place) > DOUBTED),
            quality=round(together, 4) if len(adapters) > 1 else None,
            seconds=seconds,
            score=round(max(0.0, min(1.0, state.value)), 4),
            reasons=tuple(reasons),
            plan=plan,
        )

    def _strength(self, facts: ExpertFacts, facets: Sequence[int], state: State) -> float | None:
        if facts.kind is not Kind.LORA:
            return None
        low, high = facts.strengths or (0.0, _STRENGTH)
        strength = min(1.0, high)
        mentioned = all(self._parts.facets[place].of is not None for place in facets) and bool(facets)
        styles = [
            o for o in state.options if o.facet >= 0 and self._parts.facets[o.facet].kind is FacetKind.STYLE
        ]
        is_style = any(self._parts.facets[place].kind is FacetKind.STYLE for place in facets)
        if mentioned and is_style and len({option.expert for option in styles}) > 1:
            strength *= _SECOND
        return round(max(low, strength), 2)

    def _steps(self, base: ExpertFacts) -> tuple[int, int] | None:
        """Under a budget of time the number of steps is left to it."""
        if not {"latency", "cold_latency"} & set(self._request.limits.budget):
            return None
        most = self._request.steps or int(str(base.defaults.get("steps", 20)))
        least = max(2, most // 2)
        return (least, most) if least < most else None
