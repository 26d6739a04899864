"""The catalog as clients see it: bounded lists, and texts of strangers shown as data."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mosaic.api.catalog.catalog import Catalog
from mosaic.api.faults import UsageError
from mosaic.compiler.types import Kind
from mosaic.mcp import bounds, values

if TYPE_CHECKING:
    from mosaic.catalog.record import Record
    from mosaic.catalog.store import Row
    from mosaic.compiler.facts import ExpertFacts

_LOOKED_AT: Final = 2000
"""Experts of a family that are asked whether they fit a base."""
_MOST_TAGS: Final = 32
_MOST_BASES: Final = 12


class Catalogue:
    """Answers questions about experts, one at a time."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()

    def search(
        self, words: str, kind: str | None, family: str | None, license: str | None, limit: int
    ) -> values.Experts:
        """Experts that answer words, the best first. Raises MosaicError (M879) and UsageError."""
        bounds.at_most("the words of a search", words, bounds.LONGEST_SEARCH)
        for text in (kind, family, license):
            bounds.at_most("a filter", text or "", bounds.LONGEST_NAME)
        most = _within(limit)
        with self._open() as catalog:
            if words.strip():
                hits = catalog.search(words, kind=kind, family=family, license=license, limit=most + 1)
                lines = [_line(hit.row, hit.score) for hit in hits]
            else:
                rows = catalog.list(kind=kind, family=family, license=license, limit=most + 1)
                lines = [_line(row) for row in rows]
        return values.Experts(experts=lines[:most], more=len(lines) > most)

    def get(self, reference: str) -> values.ExpertCard:
        """All of an expert. Raises MosaicError (M840, M843)."""
        from mosaic.api.catalog.named import record_of
        from mosaic.api.catalog.opened import read_store
        from mosaic.api.catalog.relations import related

        bounds.at_most("an id", reference, bounds.LONGEST_NAME)
        with self._lock, read_store(self._path)[1] as store:
            record = record_of(store, reference)
            around = related(store, record)
        bases = [base.id for base in around.bases if base.fits and not base.lacks]
        return _card(record, bases[:_MOST_BASES], around.snippet if not around.problems else "")

    def compatible(self, base: str, words: str, kind: str | None, limit: int) -> values.Experts:
        """Experts that fit a checkpoint, those that answer some words or all by id. Raises MosaicError, UsageError."""
        bounds.at_most("an id", base, bounds.LONGEST_NAME)
        bounds.at_most("the words of a search", words, bounds.LONGEST_SEARCH)
        most = _within(limit)
        lines: list[values.ExpertLine] = []
        with self._open() as catalog:
            facts = catalog.get(base).facts
            if facts.kind is not Kind.CHECKPOINT:
                raise UsageError(f"{bounds.shown(base, 80)} is no checkpoint: {facts.kind}")
            for row, score in _candidates(catalog, facts, words, kind):
                if row.kind is not Kind.CHECKPOINT and catalog.coverage(facts.id, row.id).complete:
                    lines.append(_line(row, score))
                if len(lines) > most:
                    break
        return values.Experts(experts=lines[:most], more=len(lines) > most)

    @contextmanager
    def _open(self) -> Iterator[Catalog]:
        with self._lock, Catalog.open(self._path) as catalog:
            yield catalog


def _candidates(
    catalog: Catalog, base: ExpertFacts, words: str, kind: str | None
) -> Sequence[tuple[Row, float | None]]:
    if base.family is None:
        return []
    if words.strip():
        hits = catalog.search(words, kind=kind, family=base.family, limit=_LOOKED_AT)
        return [(hit.row, hit.score) for hit in hits]
    return [(row, None) for row in catalog.list(kind=kind, family=base.family, limit=_LOOKED_AT)]


def _within(limit: int) -> int:
    return max(1, min(limit, bounds.MOST_RESULTS))


def _line(row: Row, score: float | None = None) -> values.ExpertLine:
    return values.ExpertLine(
        id=bounds.shown(row.id, bounds.LONGEST_NAME),
        kind=str(row.kind),
        family=row.family,
        title=bounds.shown(row.title, 120),
        trigger=None if row.trigger is None else bounds.shown(row.trigger, 200),
        license=None if row.license is None else bounds.shown(row.license, 200),
        rating=row.rating,
        score=score,
    )


def _card(record: Record, bases: list[str], plan: str) -> values.ExpertCard:
    facts = record.facts
    line = values.ExpertLine(
        id=bounds.shown(facts.id, bounds.LONGEST_NAME),
        kind=str(facts.kind),
        family=facts.family,
        title=bounds.shown(facts.title, 120),
        trigger=None if facts.trigger is None else bounds.shown(facts.trigger, 200),
        license=None if facts.license is None else bounds.shown(facts.license, 200),
        rating=facts.rating,
    )
    return values.ExpertCard(
        expert=line,
        description=bounds.shown(record.description),
        author=bounds.shown(record.author, 120),
        tags=[bounds.shown(tag, 80) for tag in record.tags[:_MOST_TAGS]],
        strengths=None if facts.strengths is None else list(facts.strengths),
        native_size=None if facts.native_size is None else list(facts.native_size),
        bytes=sum(file.size for file in facts.files),
        scores=[
            values.Measure(
                name=bounds.shown(each.name, 80), share=each.share, low=each.low, high=each.high, n=each.n
            )
            for each in record.scores[: bounds.MOST_RESULTS]
        ],
        bases=bases,
        plan=plan,
    )
