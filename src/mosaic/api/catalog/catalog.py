"""A catalog as an object."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mosaic.api.catalog.adding import Added, Request
from mosaic.api.catalog.adding import add as take_in
from mosaic.api.catalog.named import record_of
from mosaic.api.catalog.opened import place, read_store, written_store
from mosaic.api.faults import UsageError
from mosaic.catalog.licence_text import licence
from mosaic.catalog.reading import Declared
from mosaic.compiler.context import Context
from mosaic.compiler.policy.judge import Finding, judge
from mosaic.compiler.policy.policy import Policy
from mosaic.compiler.source import SourceFile
from mosaic.compiler.types import Kind
from mosaic.project import Project

if TYPE_CHECKING:
    from mosaic.catalog.record import Record
    from mosaic.catalog.store import Export, Hit, Row, Stats, Store
    from mosaic.compiler.facts import Candidate, Coverage, ExpertFacts


class Catalog:
    """The experts there are. `Catalog.open()` gives one; it lets go of its file at the end of a `with` block.

    >>> with mosaic.Catalog.open() as catalog:
    ...     catalog.get("zoo/neon").facts.trigger
    'neon style'
    """

    def __init__(self, path: Path | None, store: Store) -> None:
        self._path, self._store = path, store
        self._project: Project | None = None

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = None, *, create: bool = False) -> Catalog:
        """A catalog's file or a snapshot's folder; without a path the one that commands use (`MOSAIC_CATALOG`, the
        user's own), and where there is none the experts that come with mosaic. With `create`, a file that is not there
        is made.

        Raises MosaicError (M830-M837) where it cannot be opened.
        """
        given = Path(path) if path is not None else None
        if create and not place(given).exists():
            given, made = written_store(given)
            made.close()
        return cls(*read_store(given))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file, so that other processes can add to it. A question opens it again."""
        self._store.close()
        if self._project is not None:
            self._project.release()

    @property
    def place(self) -> str:
        """Where it lies; `memory` for the experts that come with mosaic."""
        return self._store.place

    @property
    def digest(self) -> str:
        """64 hex digits over the content of every expert in it, whatever the order and the place."""
        return self._store.digest

    def get(self, reference: str) -> Record:
        """All that is known of an expert, by id, alias, or the beginning (eight digits or more) of a digest.

        Raises MosaicError: M840 there is none, M843 there are several.
        """
        return record_of(self._store, reference)

    def list(
        self,
        *,
        kind: Kind | str | None = None,
        family: str | None = None,
        license: str | None = None,
        trigger: str | None = None,
        limit: int | None = None,
    ) -> Sequence[Row]:
        """Experts by id, all or those of a kind, family, licence or trigger."""
        return self._store.list(_kind(kind), family, _licence(license), trigger, limit)

    def search(
        self,
        words: str,
        *,
        kind: Kind | str | None = None,
        family: str | None = None,
        license: str | None = None,
        trigger: str | None = None,
        limit: int = 20,
    ) -> Sequence[Hit]:
        """Experts whose ids, titles, triggers, tags or descriptions answer some words, the best first."""
        families = (family,) if family else ()
        return self._store.search(words, _kind(kind), families, _licence(license), trigger, limit=limit)

    def find(self, kind: Kind | str, words: str, *, family: str | None = None) -> Sequence[Candidate]:
        """What a plan's `find` would choose from, the best first: by measured capability and by words."""
        asked = _kind(kind)
        assert asked is not None, "a kind was given"
        return self._context().experts.find(asked, words, (family,) if family else ())

    def compatible(self, base: str, kind: Kind | str | None = None) -> Sequence[Row]:
        """Experts that can be fused into a checkpoint: of its family, and with every tensor in its place.

        Raises MosaicError (M840, M843) where there is no such checkpoint.
        """
        facts = self.get(base).facts
        if facts.kind is not Kind.CHECKPOINT:
            raise UsageError(f"{base} is no checkpoint: {facts.kind}")
        if facts.family is None:
            return []
        rows = self._store.list(_kind(kind), facts.family)
        return [row for row in rows if row.kind is not Kind.CHECKPOINT and self._fits(facts, row.id)]

    def coverage(self, base: str, expert: str) -> Coverage:
        """How the tensors of an expert meet those of a checkpoint: how many find their place, which do not."""
        return self._context().experts.coverage(self.get(base).facts, self.get(expert).facts)

    def judge(
        self,
        reference: str,
        *,
        use: str | None = None,
        action: str | None = None,
        revenue: float | None = None,
        territory: Iterable[str] = (),
        credit: bool | None = None,
        copied: bool = False,
        merged: bool = False,
    ) -> Sequence[Finding]:
        """What a policy does not plainly allow of an expert, the worst first; empty where all is allowed.

        `use`, `action`, `revenue`, `territory` and `credit` are the keys of a plan's `policy`; `copied` says that its
        weights are in a model that is passed on, `merged` together with others.
        """
        policy = Policy(use=use, action=action, revenue=revenue, credit=credit, territory=tuple(territory))
        licences = self._context().licences
        return judge(self.get(reference).facts, policy, licences, copied=copied, merged=merged)

    def add(
        self,
        *paths: str | os.PathLike[str],
        license: str | None = None,
        rating: str | None = None,
        family: str | None = None,
        tags: Sequence[str] = (),
        id: str | None = None,
        title: str | None = None,
        trigger: str | None = None,
        strengths: tuple[float, float] | None = None,
        namespace: str | None = None,
        again: bool = False,
        jobs: int | None = None,
    ) -> Added:
        """Catalogue the experts in files and folders; the catalog is made where there is none.

        What is stated of them counts before what files say; `id`, `title`, `trigger` and `strengths` (the range where
        it is known to work) are of one expert. Ids begin with the `namespace`. Headers are read and bytes hashed;
        nothing is loaded or executed. What has not changed is skipped, unless `again` is asked for. What is refused is
        told in the outcome.

        Raises MosaicError (M830-M836, M842) where the catalog cannot be written, UsageError for statements that mean
        nothing.
        """
        stated = Declared(
            id=id,
            title=title,
            trigger=trigger,
            license=_licence(license),
            rating=rating,
            strengths=strengths,
            tags=tuple(tags),
            family=family,
        )
        outcome = Added()
        self.close()
        self._project = None
        path, store = written_store(self._path)
        with store:
            take_in(store, Request(tuple(map(Path, paths)), stated, namespace, again, jobs), outcome)
        self._path, self._store = read_store(path)
        return outcome

    def export(self, folder: str | os.PathLike[str]) -> Export:
        """Write a snapshot: small, the same bytes for the same experts, enough to check plans without models."""
        return self._store.export(Path(folder))

    def stats(self) -> Stats:
        """What it holds, in numbers."""
        return self._store.stats()

    def _fits(self, base: ExpertFacts, id: str) -> bool:
        facts = self._store.facts(id)
        return facts is not None and self._context().experts.coverage(base, facts).complete

    def _context(self) -> Context:
        """The compiler's view of this catalog, with the experts that come with mosaic."""
        if self._project is None:
            self._project = Project(self._path)
        return self._project.context(SourceFile("<catalog>", ""))


def _kind(kind: Kind | str | None) -> Kind | None:
    try:
        return Kind(kind) if kind is not None else None
    except ValueError:
        raise UsageError(f"{kind!r} is no kind of expert") from None


def _licence(text: str | None) -> str | None:
    return licence(text) if text else None
