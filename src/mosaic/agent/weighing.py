"""Which experts together: what each brings to the request against what it costs the others, as plans that compile.

What a combination is worth is the share of the request, by importance, that its picture is expected to show. An
expert brings its facet at the rate that it was measured to; beside others it brings it less often, as was measured of
composing so many (`stdlib/fidelity.json`). What no expert serves, the base may know by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from mosaic.agent.limits import Bounds
from mosaic.agent.offline.lexicon import Lexicon
from mosaic.agent.phrasing import Insert, Phrased, known_as, phrase
from mosaic.agent.retrieving import NAMED
from mosaic.agent.speaking import Tongue
from mosaic.agent.values import (
    Combination,
    Decomposition,
    FacetKind,
    LeftOut,
    Limits,
    Option,
    Pick,
    Ranking,
    Request,
    Shortlist,
)
from mosaic.agent.world import World
from mosaic.agent.writing import Part, variables, write
from mosaic.catalog.store import terms
from mosaic.compiler.diagnostic import Diagnostic, Severity
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.source import Span
from mosaic.compiler.types import Kind

BUDGET: Final = "budget"
"""What is left out where no combination keeps the budget."""
POLICY: Final = "policy"
"""What is left out where no plan keeps the policy: the request's own words are beyond it."""
_SPOKEN: Final = {
    FacetKind.SUBJECT: 0.75,
    FacetKind.SETTING: 0.65,
    FacetKind.TECHNIQUE: 0.6,
    FacetKind.OBJECT: 0.5,
    FacetKind.STYLE: 0.4,
    FacetKind.CHARACTER: 0.25,
}
"""How often a base with an open vocabulary is taken to show what it is told, without an expert: an estimate that
orders kinds, nothing measured."""
_KNOWN: Final = 0.97
"""The same of a base with a few words, of those."""
_DOUBTED: Final = 0.1
"""The same where somebody made an expert that is called so: its words may be in the base's vocabulary all the same."""
_CALLED: Final = 0.5
"""The relevance from which an expert is taken to be made for a facet."""
_FULL: Final = 0.9
"""The score from which an option is taken to bring all of its facet."""
_EACH: Final = 0.02
"""What an expert has to bring to be worth its place."""
_STYLES: Final = 0.75
"""Of two styles in one picture each shows less."""
_STRENGTH: Final = 0.8
"""Of a LoRA of which no range is known."""
_SECOND: Final = 0.5
"""Of the strength of a style that is only mentioned, beside another."""
_TRIGGER: Final = 0.5
"""The part of a prompt that what calls an expert may take."""
_TRIED: Final = 2  # options of a facet
_BEAM: Final = 12
_COMPILED: Final = 6  # combinations that are compiled
_RANKED: Final = 3


@dataclass(frozen=True)
class _State:
    """A choice so far: the option of each facet that was looked at."""

    options: tuple[Option, ...] = ()
    value: float = 0.0

    @property
    def experts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(option.expert for option in self.options))


@dataclass
class _Base:
    """A base, and what fits it, as far as that was asked."""

    facts: ExpertFacts
    tongue: Tongue
    experts: dict[str, ExpertFacts] = field(default_factory=dict)
    misfits: dict[str, str] = field(default_factory=dict)  # by id: why not
    spoken: dict[int, float] = field(default_factory=dict)  # by facet: how often it shows without an expert
    together: dict[tuple[str, ...], float] = field(default_factory=dict)  # by experts: how often all show


def weigh(
    request: Request,
    parts: Decomposition,
    shortlist: Shortlist,
    world: World,
    bounds: Bounds,
    lexicon: Lexicon,
) -> Ranking:
    """The best combinations that compile within the request's limits; where none keeps the budget, the best that
    there are without it, and `budget` among what is left out."""
    weigher = _Weigher(request, parts, shortlist, world, lexicon)
    ranked = weigher.rank()
    if ranked.combinations or bounds.budget is None:
        return ranked
    free = request.model_copy(update={"limits": request.limits.model_copy(update={"budget": {}})})
    told = next((left for left in ranked.left_out if left.what == BUDGET), None)
    if told is None:
        return ranked
    nearest = _Weigher(free, parts, shortlist, world, lexicon).rank()
    return Ranking(combinations=nearest.combinations, left_out=(told, *nearest.left_out))


class _Weigher:
    def __init__(
        self, request: Request, parts: Decomposition, shortlist: Shortlist, world: World, lexicon: Lexicon
    ) -> None:
        self._request, self._parts, self._shortlist = request, parts, shortlist
        self._world, self._lexicon = world, lexicon
        self._experts = world.context.experts
        self._left: dict[tuple[str, int | None], LeftOut] = {}
        self._total = sum(facet.importance for facet in parts.facets) or 1.0
        self._pairs: dict[tuple[str, str], float] = {}

    def rank(self) -> Ranking:
        found: list[tuple[float, int, _Base, _State]] = []
        for id in self._shortlist.bases:
            base = self._base(id)
            if base is not None:
                found += [(state.value, len(found), base, state) for state in self._states(base)]
        wanted = set(self._request.limits.wanted)
        found.sort(key=lambda each: (-len(wanted & set(each[3].experts)), -round(each[0], 6), each[1]))
        combinations: list[Combination] = []
        seen: set[tuple[str, tuple[str, ...]]] = set()
        for _, _, base, state in found:
            key = (base.facts.id, tuple(sorted(state.experts)))
            if key in seen or len(seen) >= _COMPILED:
                continue
            seen.add(key)
            combination = self._combination(base, state)
            if combination is not None:
                combinations.append(combination)
            if len(combinations) == _RANKED:
                break
        if not combinations:
            # What keeps the best from compiling may be an expert's own fault: the bases are left.
            bases = {base.facts.id: base for _, _, base, _ in found}.values()
            alone = (self._combination(base, _State()) for base in bases)
            combinations = [each for each in alone if each is not None][:1]
        if combinations:
            self._explain(combinations[0])
        return Ranking(combinations=tuple(combinations), left_out=tuple(self._left.values()))

    # What fits a base

    def _base(self, id: str) -> _Base | None:
        facts = self._resolved(Kind.CHECKPOINT, id)
        if facts is None:
            return None
        return _Base(facts, Tongue(self._world, facts))

    def _fits(self, id: str, base: _Base) -> bool:
        """Whether an expert fits a base; asked once."""
        if id in base.experts or id in base.misfits:
            return id in base.experts
        kind = Kind(self._shortlist.experts[id].kind)
        expert = None if kind is Kind.CHECKPOINT else self._resolved(kind, id)
        reason = "" if expert is None else self._misfit(base.facts, expert)
        if expert is None or reason:
            base.misfits[id] = reason
            return False
        base.experts[id] = expert
        return True

    def _resolved(self, kind: Kind, id: str) -> ExpertFacts | None:
        found = self._experts.resolve(kind, id, Span(self._world.source(""), 0, 0))
        if isinstance(found, Diagnostic):
            self._left.setdefault((id, None), LeftOut(what=id, reason=found.message()))
            return None
        if found.integrity:
            reason = (
                f"its file is {found.integrity}" if found.integrity != "changed" else "its file has changed"
            )
            self._left.setdefault((id, None), LeftOut(what=id, reason=reason))
            return None
        return found

    def _misfit(self, base: ExpertFacts, expert: ExpertFacts) -> str:
        if expert.family is not None and expert.family != base.family:
            return f"made for {expert.family}, the base is {base.family}"
        covered = self._experts.coverage(base, expert)
        if covered.total and not covered.complete:
            return (
                f"{covered.total - covered.matched} of its {covered.total} tensors have no place in {base.id}"
            )
        added = (expert,) if expert.kind is Kind.EMBEDDING else ()
        count = self._experts.tokens(base, added, expert.trigger) if expert.trigger else None
        if count is not None and count.used > count.limit * _TRIGGER:
            return f"what it is called by takes {count.used} of the {count.limit} tokens of a prompt"
        return ""

    # Choosing

    def _states(self, base: _Base) -> list[_State]:
        """Choices for a base, the best first: a beam over the facets, the most important ones first."""
        fixed = tuple(
            option
            for option in self._shortlist.options
            if option.facet == NAMED and self._fits(option.expert, base)
        )
        shortlisted = self._shortlist.experts
        needed = [id for id in self._request.limits.wanted if id in shortlisted and self._fits(id, base)]
        beam = [_State(fixed)]
        order = sorted(
            range(len(self._parts.facets)), key=lambda place: (-self._parts.facets[place].importance, place)
        )
        for place in order:
            grown = [state for one in beam for state in self._grown(one, place, base)]
            beam = sorted(grown, key=lambda state: -round(state.value, 6))[:_BEAM]
            if needed:
                # What is asked for by name stays in the beam, whatever it is worth.
                kept = [state for state in grown if set(needed) & set(state.experts)]
                beam += sorted(kept, key=lambda s: (-len(set(needed) & set(s.experts)), -s.value))[:_BEAM]
        if needed:
            most = max(len(set(needed) & set(state.experts)) for state in beam)
            beam = [state for state in beam if len(set(needed) & set(state.experts)) == most]
        return list(dict.fromkeys(sorted(beam, key=lambda state: -round(state.value, 6))))

    def _grown(self, state: _State, place: int, base: _Base) -> Iterator[_State]:
        yield replace(state, value=self._value(state.options, base))
        limits: Limits = self._request.limits
        for option in self._offered(place, base):
            options = (*state.options, option)
            experts = {each.expert for each in options} - {base.facts.id}
            if len(experts) > limits.most or not self._go_together(option.expert, state.experts, base):
                continue
            yield _State(options, self._value(options, base))

    def _offered(self, place: int, base: _Base) -> list[Option]:
        """The options of a facet that are tried with a base: the best that fit, and what is asked for by name."""
        found: list[Option] = []
        for option in self._shortlist.options:
            if option.facet != place:
                continue
            wanted = option.expert in self._request.limits.wanted
            if (len(found) < _TRIED or wanted) and (
                option.expert == base.facts.id or self._fits(option.expert, base)
            ):
                found.append(option)
        return found

    def _go_together(self, id: str, others: Sequence[str], base: _Base) -> bool:
        facts = base.experts.get(id)
        return facts is None or not any(
            other in facts.excludes or (other in base.experts and id in base.experts[other].excludes)
            for other in others
        )

    def _value(self, options: Sequence[Option], base: _Base) -> float:
        """The share of the request that is expected to show, less the price of experts."""
        adapters = list(dict.fromkeys(o.expert for o in options if o.expert in base.experts))
        together = self._together(adapters, base) ** (1 / max(1, len(adapters)))
        served = {option.facet: option for option in options}
        styles = {
            served[place].expert
            for place, facet in enumerate(self._parts.facets)
            if facet.kind is FacetKind.STYLE and place in served
        }
        value = 0.0
        for place, facet in enumerate(self._parts.facets):
            shown = self._spoken(place, base)
            if place in served:
                option = served[place]
                brought = min(1.0, option.score / _FULL) * (together if option.expert in base.experts else 1)
                if facet.kind is FacetKind.STYLE and len(styles) > 1:
                    brought *= _STYLES
                shown = max(shown, brought) if option.expert == base.facts.id else brought
            value += facet.importance * shown
        return value / self._total - _EACH * len(adapters)

    def _together(self, ids: Sequence[str], base: _Base) -> float:
        """How often all of some experts show, as measured of composing such ones; interference takes from it."""
        key = tuple(sorted(ids))
        if key not in base.together:
            base.together[key] = self._all_shown(key, base)
        return base.together[key]

    def _all_shown(self, ids: Sequence[str], base: _Base) -> float:
        loras = [base.experts[id] for id in ids if base.experts[id].kind is Kind.LORA]
        if len(loras) < 2:
            return 1.0
        fidelity = self._world.context.fidelity
        categories = [facts.category for facts in loras]
        expected = [
            found.share
            for operator in dict.fromkeys(row.operator for row in fidelity.rows)
            if (found := fidelity.of(operator, categories)) is not None
        ]
        share = max(expected, default=0.9 ** (len(loras) - 1))
        for number, second in enumerate(loras):
            for first in loras[:number]:
                share *= 1 - 0.5 * max(0.0, self._cosine(first, second))
        return share

    def _cosine(self, first: ExpertFacts, second: ExpertFacts) -> float:
        key = (min(first.id, second.id), max(first.id, second.id))
        if key not in self._pairs:
            found = self._experts.interference(first, second)
            self._pairs[key] = found.cosine if found is not None else 0.0
        return self._pairs[key]

    def _spoken(self, place: int, base: _Base) -> float:
        if place not in base.spoken:
            base.spoken[place] = self._shown(place, base)
        return base.spoken[place]

    def _shown(self, place: int, base: _Base) -> float:
        """How often a base shows a facet that the prompt says."""
        facet = self._parts.facets[place]
        if not base.tongue.closed:
            return _SPOKEN[facet.kind]
        words = terms.words(facet.text)
        if not (
            all(base.tongue.knows(word) for word in words) or known_as(facet, base.tongue, self._lexicon)
        ):
            return 0.0
        made = any(
            option.facet == place
            and option.called
            and option.relevance >= _CALLED
            and option.expert != base.facts.id
            for option in self._shortlist.options
        )
        return _DOUBTED if made else _KNOWN

    # Writing

    def _combination(self, base: _Base, state: _State) -> Combination | None:
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
        silent = [place for place in range(len(self._parts.facets)) if self._spoken(place, base) == _DOUBTED]
        phrased = phrase(self._request.text, self._parts, inserts, base.tongue, self._lexicon, silent)
        steps = self._steps(base.facts)
        plan = write(self._request, base.facts, parts, phrased.prompt, phrased.negative, steps=steps)
        compiled = self._world.compile(plan)
        if compiled.has_errors:
            self._refused(compiled.diagnostics)
            return None
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
        base: _Base,
        state: _State,
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
            if place not in served and place in phrased.spoken and self._spoken(place, base) > 0
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
        together = self._together(adapters, base)
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
            cut=tuple(place for place in unserved if self._spoken(place, base) > _DOUBTED),
            quality=round(together, 4) if len(adapters) > 1 else None,
            seconds=seconds,
            score=round(max(0.0, min(1.0, state.value)), 4),
            reasons=tuple(reasons),
            plan=plan,
        )

    def _strength(self, facts: ExpertFacts, facets: Sequence[int], state: _State) -> float | None:
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

    # Explaining

    def _refused(self, diagnostics: Sequence[Diagnostic]) -> None:
        errors = [each for each in diagnostics if each.severity is Severity.ERROR]
        for error in errors:
            if error.code.startswith("M6"):
                what = BUDGET
            elif error.code.startswith("M5"):
                what = POLICY
            else:
                what = error.code
            self._left.setdefault((what, None), LeftOut(what=what, reason=f"{error.code}: {error.message()}"))

    def _explain(self, best: Combination) -> None:
        """Why options of the best combination's facets are not in it."""
        taken = {pick.expert for pick in best.picks} | {best.base}
        for option in self._shortlist.options:
            if option.expert in taken or (option.expert, option.facet) in self._left:
                continue
            instead = [pick.expert for pick in best.picks if option.facet in pick.facets]
            if instead:
                reason = f"{instead[0]} answers better"
            elif option.facet in best.spoken and not (option.called and option.relevance >= _CALLED):
                reason = f"{best.base} needs no expert for it"
            else:
                reason = "it would take more from the others than it brings"
            self._left[option.expert, option.facet] = LeftOut(
                what=option.expert, reason=reason, facet=option.facet if option.facet != NAMED else None
            )
