"""Which experts together: what each brings to the request against what it costs the others, as plans that compile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from mosaic.agent.bases import CALLED, Base, Left, resolved
from mosaic.agent.combining import Combiner, State
from mosaic.agent.limits import Bounds
from mosaic.agent.offline.lexicon import Lexicon
from mosaic.agent.retrieving import NAMED
from mosaic.agent.values import Combination, Decomposition, LeftOut, Option, Ranking, Request, Shortlist
from mosaic.agent.world import World
from mosaic.agent.worth import Worth
from mosaic.compiler.diagnostic import Diagnostic, Severity
from mosaic.compiler.types import Kind

BUDGET: Final = "budget"
"""What is left out where no combination keeps the budget."""
POLICY: Final = "policy"
"""What is left out where no plan keeps the policy: the request's own words are beyond it."""
_TRIED: Final = 2  # options of a facet
_BEAM: Final = 12
_COMPILED: Final = 6  # combinations that are compiled
_RANKED: Final = 3


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
        self._left: Left = {}
        self._worth = Worth(parts, world)
        self._combiner = Combiner(request, parts, shortlist, world, lexicon, self._worth)

    def rank(self) -> Ranking:
        found: list[tuple[float, int, Base, State]] = []
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
            alone = (self._combination(base, State()) for base in bases)
            combinations = [each for each in alone if each is not None][:1]
        if combinations:
            self._explain(combinations[0])
        return Ranking(combinations=tuple(combinations), left_out=tuple(self._left.values()))

    def _base(self, id: str) -> Base | None:
        facts = resolved(Kind.CHECKPOINT, id, self._world, self._left)
        if facts is None:
            return None
        return Base(facts, self._parts, self._shortlist, self._world, self._lexicon, self._left)

    def _combination(self, base: Base, state: State) -> Combination | None:
        made = self._combiner.plan(base, state)
        if isinstance(made, Combination):
            return made
        self._refused(made.diagnostics)
        return None

    # Choosing

    def _states(self, base: Base) -> list[State]:
        """Choices for a base, the best first: a beam over the facets, the most important ones first."""
        fixed = tuple(
            option for option in self._shortlist.options if option.facet == NAMED and base.fits(option.expert)
        )
        shortlisted = self._shortlist.experts
        needed = [id for id in self._request.limits.wanted if id in shortlisted and base.fits(id)]
        beam = [State(fixed)]
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

    def _grown(self, state: State, place: int, base: Base) -> Iterator[State]:
        yield replace(state, value=self._worth.of(state.options, base))
        limits = self._request.limits
        for option in self._offered(place, base):
            options = (*state.options, option)
            experts = {each.expert for each in options} - {base.facts.id}
            if len(experts) > limits.most or not self._go_together(option.expert, state.experts, base):
                continue
            yield State(options, self._worth.of(options, base))

    def _offered(self, place: int, base: Base) -> list[Option]:
        """The options of a facet that are tried with a base: the best that fit, and what is asked for by name."""
        found: list[Option] = []
        for option in self._shortlist.options:
            if option.facet != place:
                continue
            wanted = option.expert in self._request.limits.wanted
            if (len(found) < _TRIED or wanted) and (
                option.expert == base.facts.id or base.fits(option.expert)
            ):
                found.append(option)
        return found

    def _go_together(self, id: str, others: Sequence[str], base: Base) -> bool:
        facts = base.experts.get(id)
        return facts is None or not any(
            other in facts.excludes or (other in base.experts and id in base.experts[other].excludes)
            for other in others
        )

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
            elif option.facet in best.spoken and not (option.called and option.relevance >= CALLED):
                reason = f"{best.base} needs no expert for it"
            else:
                reason = "it would take more from the others than it brings"
            self._left[option.expert, option.facet] = LeftOut(
                what=option.expert, reason=reason, facet=option.facet if option.facet != NAMED else None
            )
