"""Which tensors of a base an operand changes: an expert as its headers say, a fused model by what is fused into it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from mosaic.compiler.context import Context
from mosaic.compiler.facts import AdapterFacts, ExpertFacts
from mosaic.compiler.ir.evaluate import operand
from mosaic.compiler.ir.graph import Node, walk
from mosaic.compiler.ir.models import blended, operator_of
from mosaic.compiler.weights.layers import Malformed, Selector, parse


@dataclass(frozen=True)
class Touched:
    """Canonical names of tensors; and what was noted down of experts whose headers are not at hand, None where that is
    nothing: they may change any tensor that their notes do not rule out."""

    names: frozenset[str] = frozenset()
    noted: frozenset[AdapterFacts | None] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.names or self.noted)

    def __or__(self, other: Touched) -> Touched:
        return Touched(self.names | other.names, self.noted | other.noted)

    def within(self, selector: Selector) -> Touched:
        """Those that a selector selects."""
        return Touched(
            frozenset(filter(selector.selects, self.names)),
            frozenset(adapter for adapter in self.noted if adapter is None or selector.may_select(adapter)),
        )


@dataclass(frozen=True)
class Touching:
    """Finds out what the operands of a graph change of bases."""

    context: Context
    _known: dict[tuple[int, str], Touched] = field(default_factory=dict)

    def of(self, given: Node, base: ExpertFacts) -> Touched:
        """What an operand changes of a base's weights."""
        top = operand(given)
        for node in walk((top,)):
            if node.op in ("expert", "fuse") and (id(node), base.id) not in self._known:
                found = self._expert(node.expert, base) if node.op == "expert" else self._fused(node, base)
                self._known[id(node), base.id] = found
        return self._known[id(top), base.id]

    def _expert(self, expert: ExpertFacts, base: ExpertFacts) -> Touched:
        if expert.files and expert.files == base.files:
            return Touched()
        names = self.context.experts.touches(base, expert)
        return Touched(frozenset(names)) if names else Touched(noted=frozenset((expert.adapter,)))

    def _fused(self, fusion: Node, base: ExpertFacts) -> Touched:
        """A fused model as weights: its words and its codec stay behind."""
        added = Touched()
        for given in blended(fusion):
            added |= self._known[id(operand(given)), base.id]
        chosen = selector_of(fusion, self.context)
        if isinstance(chosen, Selector):
            added = added.within(chosen)
        return self._known[id(operand(fusion.inputs[0])), base.id] | added


def selector_of(fusion: Node, context: Context) -> Selector | Malformed | None:
    """Which layers a fusion changes; None where its operator changes all of them."""
    setting = operator_of(fusion, context.operators).selector
    return parse(str(json.loads(str(fusion.attribute("settings")))[setting])) if setting else None
