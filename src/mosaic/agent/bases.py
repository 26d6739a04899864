"""A base for a request: which experts fit it, and what it shows by words alone."""

from __future__ import annotations

from typing import Final

from mosaic.agent.offline.lexicon import Lexicon
from mosaic.agent.phrasing import known_as
from mosaic.agent.speaking import Tongue
from mosaic.agent.values import Decomposition, FacetKind, LeftOut, Shortlist
from mosaic.agent.world import World
from mosaic.catalog.store import terms
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.source import Span
from mosaic.compiler.types import Kind

Left = dict[tuple[str, int | None], LeftOut]
"""What is left out and why, by what and for which facet."""

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
DOUBTED: Final = 0.1
"""The same where somebody made an expert that is called so: its words may be in the base's vocabulary all the same."""
CALLED: Final = 0.5
"""The relevance from which an expert is taken to be made for a facet."""
_TRIGGER: Final = 0.5
"""The part of a prompt that what calls an expert may take."""


class Base:
    """A checkpoint that a plan may start from. What is asked of it twice is answered once."""

    def __init__(
        self,
        facts: ExpertFacts,
        parts: Decomposition,
        shortlist: Shortlist,
        world: World,
        lexicon: Lexicon,
        left: Left,
    ) -> None:
        self.facts = facts
        self.tongue = Tongue(world, facts)
        self.experts: dict[str, ExpertFacts] = {}  # those that fit, as far as that was asked
        self._misfits: set[str] = set()
        self._parts, self._shortlist, self._world, self._lexicon = parts, shortlist, world, lexicon
        self._left = left
        self._spoken: dict[int, float] = {}

    def fits(self, id: str) -> bool:
        """Whether an expert fits."""
        if id in self.experts or id in self._misfits:
            return id in self.experts
        kind = Kind(self._shortlist.experts[id].kind)
        expert = None if kind is Kind.CHECKPOINT else resolved(kind, id, self._world, self._left)
        if expert is None or not self._takes(expert):
            self._misfits.add(id)
            return False
        self.experts[id] = expert
        return True

    def spoken(self, place: int) -> float:
        """How often it shows a facet that the prompt says, without an expert, 0..1."""
        if place not in self._spoken:
            self._spoken[place] = self._shown(place)
        return self._spoken[place]

    def _takes(self, expert: ExpertFacts) -> bool:
        if expert.family is not None and expert.family != self.facts.family:
            return False
        experts = self._world.context.experts
        covered = experts.coverage(self.facts, expert)
        if covered.total and not covered.complete:
            return False
        added = (expert,) if expert.kind is Kind.EMBEDDING else ()
        count = experts.tokens(self.facts, added, expert.trigger) if expert.trigger else None
        if count is None or count.used <= count.limit * _TRIGGER:
            return True
        reason = f"what it is called by takes {count.used} of the {count.limit} tokens of a prompt"
        self._left.setdefault((expert.id, None), LeftOut(what=expert.id, reason=reason))
        return False

    def _shown(self, place: int) -> float:
        facet = self._parts.facets[place]
        if not self.tongue.closed:
            return _SPOKEN[facet.kind]
        words = terms.words(facet.text)
        if not (
            all(self.tongue.knows(word) for word in words) or known_as(facet, self.tongue, self._lexicon)
        ):
            return 0.0
        made = any(
            option.facet == place
            and option.called
            and option.relevance >= CALLED
            and option.expert != self.facts.id
            for option in self._shortlist.options
        )
        return DOUBTED if made else _KNOWN


def resolved(kind: Kind, id: str, world: World, left: Left) -> ExpertFacts | None:
    """An expert with its files, or None and the reason among what is left out."""
    found = world.context.experts.resolve(kind, id, Span(world.source(""), 0, 0))
    if isinstance(found, Diagnostic):
        left.setdefault((id, None), LeftOut(what=id, reason=found.message()))
        return None
    if found.integrity:
        reason = "its file has changed" if found.integrity == "changed" else f"its file is {found.integrity}"
        left.setdefault((id, None), LeftOut(what=id, reason=reason))
        return None
    return found
