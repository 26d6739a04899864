"""M701-M707: every expert is the bytes that were meant: those that were catalogued, and those that were locked."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.pins import Pins
from mosaic.compiler.rules.place import Place, place


def integrity(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Look at every expert that the plan names, used or not. What is doubtful by itself is not compared further."""
    for node in graph.nodes():
        if node.op != "expert":
            continue
        facts, spot = node.expert, place(node)
        doubt = _doubt(facts, spot)
        if doubt is not None:
            yield doubt
        elif context.pins:
            yield from _pinned(facts, str(node.attribute("content")), context.pins, spot)


def _doubt(facts: ExpertFacts, spot: Place) -> Diagnostic | None:
    kind, span, trail = facts.kind.value, spot.span, spot.trail
    if facts.integrity == "changed":
        return errors.integrity.ExpertChanged(span, kind, facts.id, trail)
    if facts.integrity == "missing":
        return errors.integrity.ExpertMissing(span, kind, facts.id, trail)
    if facts.integrity == "unhashed" or not all(file.sha256 for file in facts.files):
        return errors.integrity.ExpertUnhashed(span, kind, facts.id, trail)
    return None


def _pinned(facts: ExpertFacts, content: str, pins: Pins, spot: Place) -> Iterator[Diagnostic]:
    messages = errors.integrity
    locked = pins.experts.get(facts.id)
    kind, span, trail = facts.kind.value, spot.span, spot.trail
    if locked is None and content in pins.experts.values():
        return  # locked under another name: a lock tells no place outside its folder, and bytes are what counts
    if locked is None:
        unpinned = messages.NotInLock if pins.strict else messages.NotPinned
        yield unpinned(span, kind, facts.id, trail, pins.place)
    elif locked != content:
        other = messages.OtherThanLocked if pins.strict else messages.NotAsLocked
        yield other(span, kind, facts.id, trail, pins.place, content, locked)
