"""What stands around an expert in a catalog: bases it fits, experts that fit it, experts it is related to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mosaic.compiler.types import Kind

if TYPE_CHECKING:
    from mosaic.catalog.record import Record
    from mosaic.catalog.store import Store
    from mosaic.compiler.facts import Coverage, ExpertFacts

_BASES: Final = 200
"""Bases of a family that are looked at; of more, those whose ids come first."""
_COUNTED: Final = 1000


@dataclass(frozen=True)
class Base:
    """A base of the expert's family. `coverage` is None where its tensors are not known."""

    id: str
    coverage: Coverage | None
    lacks: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether every tensor finds its place, as far as anybody knows."""
        return self.coverage is None or self.coverage.complete


@dataclass(frozen=True)
class Related:
    """What a card tells beside the expert itself. `fitting` counts experts of a base's family by kind."""

    bases: tuple[Base, ...] = ()
    fitting: tuple[tuple[Kind, int], ...] = ()
    twins: tuple[str, ...] = ()  # experts that hold the same bytes
    snippet: str = ""
    problems: tuple[str, ...] = ()  # why the snippet does not check in this version


def related(store: Store, record: Record) -> Related:
    """Look around in the catalog that holds the expert."""
    from mosaic.api.catalog.snippet import snippet_for

    facts = record.facts
    bases = tuple(_bases(store, facts)) if facts.kind is not Kind.CHECKPOINT else ()
    best = next((base for base in bases if base.fits and not base.lacks), None)
    text, problems = snippet_for(store, facts, best.id if best else None)
    return Related(bases, tuple(_fitting(store, facts)), tuple(_twins(store, facts)), text, problems)


def _bases(store: Store, facts: ExpertFacts) -> list[Base]:
    if facts.family is None:
        return []
    rows = store.list(kind=Kind.CHECKPOINT, family=facts.family, limit=_BASES)
    known = [found for row in rows if (found := store.facts(row.id)) is not None]
    bases = [Base(base.id, store.coverage(base, facts), base.lacks) for base in known]
    # The one that it was trained on first, then what is known to fit, then its neighbours.
    trained = {base.id for base in known if facts.trained_on and _has(base, facts.trained_on)}
    namespace = facts.id.partition("/")[0]

    def rank(base: Base) -> tuple[bool, ...]:
        near = base.id.partition("/")[0] == namespace
        return base.id not in trained, not base.fits, base.coverage is None, not near

    return sorted(bases, key=rank)


def _has(base: ExpertFacts, digest: str) -> bool:
    return any(file.sha256.startswith(digest) for file in base.files)


def _fitting(store: Store, facts: ExpertFacts) -> list[tuple[Kind, int]]:
    if facts.kind is not Kind.CHECKPOINT or facts.family is None:
        return []
    kinds = (Kind.LORA, Kind.EMBEDDING, Kind.CONTROL, Kind.VAE)
    counts = [(kind, len(store.list(kind=kind, family=facts.family, limit=_COUNTED))) for kind in kinds]
    return [(kind, count) for kind, count in counts if count]


def _twins(store: Store, facts: ExpertFacts) -> list[str]:
    if len(facts.files) != 1:
        return []
    same = store.by_digest(facts.files[0].sha256)
    return [other.id for other in same if other.id != facts.id and len(other.files) == 1]
