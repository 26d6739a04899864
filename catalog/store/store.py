"""The catalog as faces and the compiler's view of it use it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from mosaic.catalog.record import FileState, Record, content_digest
from mosaic.catalog.store import lookup, memo, search, sums, whole
from mosaic.catalog.store.access import Access
from mosaic.catalog.store.engine import duckdb
from mosaic.catalog.store.rows import Damaged
from mosaic.catalog.store.shapes import shape_of
from mosaic.catalog.store.values import Export, Hit, Put, Row, Stats
from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.facts import Candidate, Coverage, ExpertFacts, Interference
from mosaic.compiler.types import Kind
from mosaic.compiler.weights.header import Header

if TYPE_CHECKING:
    from datetime import datetime

    from mosaic.catalog.store import relations
    from mosaic.catalog.store.sights import Sight
    from mosaic.catalog.store.vocabulary import Near, Use


_S = TypeVar("_S", bound="Store")
_P = ParamSpec("_P")
_R = TypeVar("_R")

# `Store.list` hides the type of its name.
Rows = list[Row]
Hits = list[Hit]
Diagnostics = list[Diagnostic]


def _told(method: Callable[Concatenate[_S, _P], _R]) -> Callable[Concatenate[_S, _P], _R]:
    """Let a method say in mosaic's words what DuckDB says of a file."""

    @wraps(method)
    def speaking(self: _S, /, *given: _P.args, **named: _P.kwargs) -> _R:
        try:
            return method(self, *given, **named)
        except duckdb.InterruptException:
            raise KeyboardInterrupt from None
        except (duckdb.Error, Damaged) as error:
            raise MosaicError(self.fault(error)) from error

    return speaking


class Store:
    """A catalog: a file, a snapshot's folder or memory. Implements `mosaic.catalog.library.Library`.

    A reader holds a file from its first question until `close`, and takes it again at the next; a writer holds it
    for one call. Every method can raise MosaicError (M830 to M837).
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._signatures: memo.Signatures | None = None
        self._cards: dict[str, lookup.Card | None] = {}
        self._pairs: tuple[relations.Pairs | None] | None = None  # None until they were asked for

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; a later question takes it again."""
        self._forget()
        self._access.close()

    def fault(self, error: Exception) -> Diagnostic:
        """What to say where a question fails."""
        return self._access.fault(error)

    @property
    def place(self) -> str:
        """Where it lies, as messages name it."""
        return self._access.place

    @property
    @_told
    def digest(self) -> str:
        """64 hex digits over the content of every expert in it, whatever the order and the place."""
        return sums.digest(sums.read(self._read()))

    @_told
    def facts(self, reference: str) -> ExpertFacts | None:
        """An expert by id or alias."""
        card = self._card(reference)
        return card.facts if card is not None else None

    @_told
    def record(self, reference: str) -> Record | None:
        """All that is known of an expert, by id, alias or `sha256:` and the beginning of a digest."""
        number = self._number(reference)
        return whole.records(self._read(), [number])[0] if number is not None else None

    @_told
    def by_digest(self, start: str) -> Sequence[ExpertFacts]:
        """Experts that are, or have a file, of a digest that begins so."""
        return lookup.facts(self._read(), lookup.numbers_by_digest(self._read(), start))

    @_told
    def names(self, kind: Kind) -> Sequence[str]:
        """Every id of a kind, sorted."""
        rows = (
            self._read().execute("SELECT id FROM experts WHERE kind = $1 ORDER BY id", [str(kind)]).fetchall()
        )
        return tuple(id for (id,) in rows)

    @_told
    def near(self, kind: Kind, reference: str) -> Sequence[str]:
        """At most two ids of a kind that are spelt much like a mistyped one, the best first."""
        return search.near(self._read(), kind, reference)

    @_told
    def header(self, sha256: str) -> Header | None:
        """The tensors of a file by its digest, offsets all zero."""
        return self._known().header(sha256)

    @_told
    def text(self, sha256: str) -> str | None:
        """A small file's content."""
        return self._known().text(sha256)

    @_told
    def coverage(self, base: ExpertFacts, expert: ExpertFacts) -> Coverage | None:
        """How an expert's tensors meet a base's, where that is kept."""
        ours, theirs = self._card(base.id), self._card(expert.id)
        if ours is None or theirs is None or expert.kind not in memo.KEPT:
            return None
        # Facts from elsewhere may bear an id that is another expert here.
        if ours.digest != content_digest(base) or theirs.digest != content_digest(expert):
            return None
        return memo.read(self._read(), ours.shape, theirs.shape)

    @_told
    def find(
        self, kind: Kind, words: str, families: Sequence[str] = (), ratings: Sequence[str] = ()
    ) -> Sequence[Candidate]:
        """The experts that answer some words, the best first, at most some dozens."""
        filter_ = search.Filter(kind, tuple(families), ratings=tuple(ratings))
        return search.find(self._read(), words, filter_)

    @_told
    def answers(
        self,
        texts: Sequence[str],
        families: Sequence[str] = (),
        most: int = 16,
        loose: Collection[str] | None = None,
    ) -> Sequence[Sequence[search.Answer]]:
        """For each of some texts the experts of any kind that answer it, the best first. Only words (in normal form)
        that are `loose` stand for longer and misspelt ones; all do where nothing is said."""
        return search.answers(self._read(), texts, search.Filter(families=tuple(families)), most, loose)

    @_told
    def named(self, words: Sequence[str]) -> frozenset[str]:
        """Those of some words, in normal form, that any expert is called by."""
        from mosaic.catalog.store import vocabulary

        return vocabulary.named(self._read(), words)

    @_told
    def uses(self, words: Sequence[str]) -> Mapping[str, Use]:
        """How experts use words, by the word as given; words that none says are left out."""
        from mosaic.catalog.store import vocabulary

        return vocabulary.uses(self._read(), words)

    @_told
    def pairs(self, asked: Sequence[tuple[str, str]]) -> frozenset[tuple[str, str]]:
        """Those of some pairs of words, in normal form, that name one expert together."""
        from mosaic.catalog.store import vocabulary

        return vocabulary.pairs(self._read(), asked)

    @_told
    def related(self, words: Sequence[str]) -> Mapping[str, Sequence[Near]]:
        """For each word the names that stand nearest to it; those that no expert says are left out."""
        from mosaic.catalog.store import vocabulary

        return vocabulary.related(self._read(), words)

    @_told
    def sights(self, ids: Sequence[str]) -> Sequence[Sight]:
        """What is known and told of experts, in the order of their ids as given; unknown ones are left out."""
        from mosaic.catalog.store import sights

        return sights.sights(self._read(), ids)

    @_told
    def checkpoints(self, families: Sequence[str] = (), limit: int = 16) -> Sequence[ExpertFacts]:
        """Checkpoints of some families (of all where none is named), by id."""
        from mosaic.catalog.store import sights

        return sights.checkpoints(self._read(), families, limit)

    @_told
    def bridges(self, source: str, target: str) -> Sequence[ExpertFacts]:
        """The bridges from one latent space into another, sorted by id."""
        return lookup.bridges(self._read(), source, target)

    @_told
    def fitting(self, kind: Kind, base: ExpertFacts, like: ExpertFacts) -> Sequence[str]:
        """Ids of experts of a kind that fit a base and are most like another one; at most three."""
        return search.fitting(self._read(), kind, base, content_digest(base), like)

    @_told
    def interference(self, first: ExpertFacts, second: ExpertFacts) -> Interference | None:
        """How two adapters' deltas meet, where that is kept."""
        from mosaic.catalog.store import relations

        connection = self._read()
        if self._pairs is None:
            self._pairs = (relations.pairs(connection),)
        return relations.interference(
            connection, self._pairs[0], content_digest(first), content_digest(second)
        )

    @_told
    def changed(self, facts: ExpertFacts) -> str:
        """Whether an expert's files look as when they were catalogued: "", "changed" or "missing"."""
        card = self._card(facts.id)
        return lookup.integrity(card) if card is not None else ""

    @_told
    def list(
        self,
        kind: Kind | None = None,
        family: str | None = None,
        license: str | None = None,
        trigger: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> Rows:
        """Experts by id. `license` is one licence that the expression names, `trigger` a part of a trigger."""
        filter_ = search.Filter(kind, (family,) if family else (), license, trigger)
        return search.listing(self._read(), filter_, limit, offset)

    @_told
    def search(
        self,
        words: str,
        kind: Kind | None = None,
        families: Sequence[str] = (),
        license: str | None = None,
        trigger: str | None = None,
        ratings: Sequence[str] = (),
        limit: int = 20,
    ) -> Hits:
        """Experts that answer some words, the most relevant first."""
        filter_ = search.Filter(kind, tuple(families), license, trigger, tuple(ratings))
        return search.search(self._read(), words, filter_, limit)

    @_told
    def stats(self) -> Stats:
        """What it holds."""
        from mosaic.catalog.store import counts

        return counts.stats(self._read(), self._access.size())

    @_told
    def known(self, paths: Iterable[str]) -> dict[str, FileState]:
        """How the files at some places looked when they were catalogued; those that are not known are left out."""
        from mosaic.catalog.store import counts

        return counts.known(self._read(), paths)

    @_told
    def verify(self) -> Diagnostics:
        """What contradicts itself (M838), the files on disk left alone."""
        from mosaic.catalog.store import consistency

        return consistency.verify(self._read(), self.place)

    @_told
    def put(self, records: Sequence[Record]) -> Put:
        """Write records in one transaction: all of them, or none."""
        from mosaic.catalog.store.put import prepare, put

        prepared = prepare(records)
        with self._write() as connection:
            done = put(connection, prepared)
        self._remember(records)
        return done

    @_told
    def remove(self, references: Sequence[str]) -> tuple[str, ...]:
        """Take experts away by id, alias or digest; gives the ids of those that were there."""
        from mosaic.catalog.store import writing

        with self._write() as connection:
            return writing.remove(connection, references)

    @_told
    def put_interference(self, first: ExpertFacts, second: ExpertFacts, value: Interference) -> None:
        """Keep how two adapters' deltas meet."""
        from mosaic.catalog.store import relations

        with self._write() as connection:
            relations.put_interference(connection, content_digest(first), content_digest(second), value)

    @_told
    def use(self, digests: Sequence[str], place: str, action: str, at: datetime) -> None:
        """Note that experts, by their content digests, were used by something: `place` a plan, `action` "ran"."""
        from mosaic.catalog.store import relations

        with self._write() as connection:
            relations.use(connection, digests, place, action, at)

    @_told
    def export(self, folder: Path) -> Export:
        """Write a snapshot."""
        from mosaic.catalog.store import snapshot

        return snapshot.export(self._access, folder)

    @_told
    def import_(self, folder: Path) -> Put:
        """Take over a snapshot's experts, some hundred at a time: what was taken over stays, whatever comes."""
        from mosaic.catalog.store import merging

        return merging.import_(self, folder)

    @_told
    def put_coverages(self, rows: Sequence[tuple[str, str, bool, str]]) -> None:
        """Keep what a snapshot knows of how tensors meet: base, shape, whether complete, and the result as JSON."""
        with self._write() as connection:
            memo.put(connection, rows)

    def _remember(self, records: Sequence[Record]) -> None:
        """Compute how new shapes meet the others while others may read, and keep that in a transaction of its own."""
        shapes = dict.fromkeys(shape_of(record.facts.kind, record.files) for record in records)
        results = memo.missing(self._read(), list(shapes))
        if results:
            with self._write() as connection:
                memo.put(connection, results)

    def _card(self, reference: str) -> lookup.Card | None:
        connection = self._read()
        if reference not in self._cards:
            self._cards[reference] = lookup.card(connection, reference)
        return self._cards[reference]

    def _number(self, reference: str) -> int | None:
        return lookup.by_reference(self._read(), reference)

    def _known(self) -> memo.Signatures:
        connection = self._read()
        if self._signatures is None:
            self._signatures = memo.Signatures(connection)
        return self._signatures

    def _read(self) -> duckdb.DuckDBPyConnection:
        return self._access.read()

    def _write(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        self._forget()
        return self._access.write()

    def _forget(self) -> None:
        self._signatures = None
        self._pairs = None
        self._cards = {}
