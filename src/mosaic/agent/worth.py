"""What experts are worth together: the share of a request, by importance, that a picture is expected to show.

An expert brings its facet at the rate that it was measured to; beside others it brings it less often, as was measured
of composing so many (`stdlib/fidelity.json`). What no expert serves, the base may know by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mosaic.agent.bases import Base
from mosaic.agent.values import Decomposition, FacetKind, Option
from mosaic.agent.world import World
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.types import Kind

_FULL: Final = 0.9
"""The score from which an option is taken to bring all of its facet."""
_EACH: Final = 0.02
"""What an expert has to bring to be worth its place."""
_STYLES: Final = 0.75
"""Of two styles in one picture each shows less."""
_UNMEASURED: Final = 0.9
"""How often another expert leaves the others as they were, where nothing was measured."""


class Worth:
    """Says what options are worth over a base."""

    def __init__(self, parts: Decomposition, world: World) -> None:
        self._parts, self._world = parts, world
        self._total = sum(facet.importance for facet in parts.facets) or 1.0
        self._together: dict[tuple[str, ...], float] = {}
        self._cosines: dict[tuple[str, str], float] = {}

    def of(self, options: Sequence[Option], base: Base) -> float:
        """The share of the request that is expected to show, less the price of experts."""
        adapters = list(dict.fromkeys(o.expert for o in options if o.expert in base.experts))
        beside = self.together(adapters, base) ** (1 / max(1, len(adapters)))
        served = {option.facet: option for option in options}
        styles = {
            served[place].expert
            for place, facet in enumerate(self._parts.facets)
            if facet.kind is FacetKind.STYLE and place in served
        }
        value = 0.0
        for place, facet in enumerate(self._parts.facets):
            shown = base.spoken(place)
            if place in served:
                option = served[place]
                brought = min(1.0, option.score / _FULL) * (beside if option.expert in base.experts else 1)
                if facet.kind is FacetKind.STYLE and len(styles) > 1:
                    brought *= _STYLES
                shown = max(shown, brought) if option.expert == base.facts.id else brought
            value += facet.importance * shown
        return value / self._total - _EACH * len(adapters)

    def together(self, ids: Sequence[str], base: Base) -> float:
        """How often all of some experts show, as measured of composing such ones; interference takes from it."""
        key = tuple(sorted(ids))
        if key not in self._together:
            self._together[key] = self._all_shown([base.experts[id] for id in key])
        return self._together[key]

    def _all_shown(self, experts: Sequence[ExpertFacts]) -> float:
        loras = [facts for facts in experts if facts.kind is Kind.LORA]
        if len(loras) < 2:
            return 1.0
        fidelity = self._world.context.fidelity
        categories = [facts.category for facts in loras]
        expected = [
            found.share
            for operator in dict.fromkeys(row.operator for row in fidelity.rows)
            if (found := fidelity.of(operator, categories)) is not None
        ]
        share = max(expected, default=_UNMEASURED ** (len(loras) - 1))
        for number, second in enumerate(loras):
            for first in loras[:number]:
                share *= 1 - 0.5 * max(0.0, self._cosine(first, second))
        return share

    def _cosine(self, first: ExpertFacts, second: ExpertFacts) -> float:
        key = (min(first.id, second.id), max(first.id, second.id))
        if key not in self._cosines:
            found = self._world.context.experts.interference(first, second)
            self._cosines[key] = found.cosine if found is not None else 0.0
        return self._cosines[key]
