"""The compiler's `Experts`, twice: one that notes what was asked, and one that answers from a lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from mosaic.catalog.library import Library
from mosaic.catalog.paths import is_path, place
from mosaic.catalog.record import content_digest
from mosaic.compiler import errors
from mosaic.compiler.context import Experts
from mosaic.compiler.cost.architecture import Architecture
from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.facts import Candidate, Coverage, ExpertFacts, FileFact, Interference, TokenCount
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.types import Kind
from mosaic.lock.document import Lock, LockedExpert
from mosaic.lock.places import DIGEST, path_key


@dataclass(frozen=True)
class Asked:
    """A reference that was resolved, and where it stands."""

    reference: str
    span: Span
    facts: ExpertFacts


_UNWRITTEN: Final = SourceFile("", "").span(0, 0)
"""Where a bridge stands that no plan names: it was found between two models."""


@dataclass
class Recorder:
    """Passes every question on, and keeps what a lock is to hold."""

    inner: Experts
    asked: list[Asked] = field(default_factory=list)
    coverages: dict[tuple[str, str], Coverage] = field(default_factory=dict)

    def resolve(self, kind: Kind, reference: str, span: Span) -> ExpertFacts | Diagnostic:
        facts = self.inner.resolve(kind, reference, span)
        if isinstance(facts, ExpertFacts):
            self.asked.append(Asked(reference, span, facts))
        return facts

    def names(self, kind: Kind) -> Sequence[str]:
        return self.inner.names(kind)

    def coverage(self, base: ExpertFacts, expert: ExpertFacts) -> Coverage:
        found = self.inner.coverage(base, expert)
        self.coverages[content_digest(expert), content_digest(base)] = found
        return found

    def touches(self, base: ExpertFacts, expert: ExpertFacts) -> Sequence[str]:
        return self.inner.touches(base, expert)

    def architecture(self, base: ExpertFacts) -> Architecture | None:
        return self.inner.architecture(base)

    def bridge(self, source: str, target: str) -> ExpertFacts | None:
        facts = self.inner.bridge(source, target)
        if facts is not None:
            self.asked.append(Asked(facts.id, _UNWRITTEN, facts))
        return facts

    def tokens(self, base: ExpertFacts, embeddings: Sequence[ExpertFacts], text: str) -> TokenCount | None:
        return self.inner.tokens(base, embeddings, text)

    def find(
        self, kind: Kind, words: str, families: Sequence[str] = (), ratings: Sequence[str] = ()
    ) -> Sequence[Candidate]:
        return self.inner.find(kind, words, families, ratings)

    def fitting(self, kind: Kind, base: ExpertFacts, like: ExpertFacts) -> Sequence[str]:
        return self.inner.fitting(kind, base, like)

    def interference(self, first: ExpertFacts, second: ExpertFacts) -> Interference | None:
        return self.inner.interference(first, second)


class LockedExperts:
    """Implements `mosaic.compiler.context.Experts` over a lock: no catalog, and no file that is not at hand.

    A file that a plan names by path is read where it is there, so that one that was exchanged is noticed. `local`
    reads files, `references` are those of the plan's file, `locate` finds a file by its digest or gives "".
    """

    def __init__(
        self,
        lock: Lock,
        references: Mapping[str, str],
        folder: Path,
        root: Path,
        local: Experts,
        locate: Callable[[FileFact], str],
    ) -> None:
        self._lock = lock
        self._references = references
        self._folder = folder
        self._root = root
        self._local = local
        self._locate = locate
        digests = {expert.key: expert.digest for expert in lock.experts}
        self._coverages = {
            (digests.get(entry.expert, ""), digests.get(entry.base, "")): entry.coverage
            for entry in lock.coverages
        }

    def resolve(self, kind: Kind, reference: str, span: Span) -> ExpertFacts | Diagnostic:
        """The locked expert that a reference means (M705 where there is none)."""
        if is_path(reference) and self._exists(reference, span):
            return self._local.resolve(kind, reference, span)
        expert = self._expert(reference, span)
        if expert is None:
            return errors.integrity.NotInLock(span, str(kind), reference, (), self._lock.source.name)
        facts = self.facts(expert)
        if facts.kind is not kind:
            return errors.inputs.WrongExpertKind(span, reference, str(kind), str(facts.kind))
        return replace(facts, id=reference) if is_path(reference) else facts

    def names(self, kind: Kind) -> Sequence[str]:
        """The keys of the locked experts of a kind."""
        return tuple(expert.key for expert in self._lock.experts if expert.facts.kind is kind)

    def coverage(self, base: ExpertFacts, expert: ExpertFacts) -> Coverage:
        """As it was when the plan was locked. Raises MosaicError (M718) for a new pair without its files."""
        known = self._coverages.get((content_digest(expert), content_digest(base)))
        if known is not None:
            return known
        try:
            return self._local.coverage(base, expert)
        except MosaicError:
            lock = self._lock.source.name
            raise MosaicError(errors.integrity.UnprovenCoverage(None, lock, expert.id, base.id)) from None

    def touches(self, base: ExpertFacts, expert: ExpertFacts) -> Sequence[str]:
        """The tensors that an expert changes, where its file is at hand."""
        try:
            return self._local.touches(base, expert)
        except MosaicError:
            return ()

    def architecture(self, base: ExpertFacts) -> Architecture | None:
        """What a checkpoint's networks cost to run, where its files are at hand."""
        try:
            return self._local.architecture(base)
        except MosaicError:
            return None

    def bridge(self, source: str, target: str) -> ExpertFacts | None:
        """The locked bridge from one space into another, or else what is at hand without a catalog."""
        for expert in self._lock.experts:
            facts = expert.facts.bridge
            if facts is not None and (facts.source, facts.target) == (source, target):
                return self.facts(expert)
        return self._local.bridge(source, target)

    def tokens(self, base: ExpertFacts, embeddings: Sequence[ExpertFacts], text: str) -> TokenCount | None:
        """The length of a prompt, where the tokenizer is at hand."""
        try:
            return self._local.tokens(base, embeddings, text)
        except MosaicError:
            return None

    def find(
        self, kind: Kind, words: str, families: Sequence[str] = (), ratings: Sequence[str] = ()
    ) -> Sequence[Candidate]:
        """What the same words were resolved to in any locked plan."""
        keys = dict.fromkeys(
            find.chosen
            for plan in self._lock.plans
            for find in plan.finds
            if (find.kind, find.words) == (kind, words)
        )
        experts = [expert for key in keys if (expert := self._lock.expert(key)) is not None]
        return tuple(
            Candidate(self.facts(expert), 1.0, 1.0)
            for expert in experts
            if not families or expert.facts.family in families
        )

    def fitting(self, kind: Kind, base: ExpertFacts, like: ExpertFacts) -> Sequence[str]:
        """Nothing: a lock is no place to look for other experts."""
        return ()

    def interference(self, first: ExpertFacts, second: ExpertFacts) -> Interference | None:
        """What is known without a catalog."""
        return self._local.interference(first, second)

    def facts(self, expert: LockedExpert) -> ExpertFacts:
        """An expert's facts, its files where they are at hand on this machine."""
        files = tuple(replace(file, location=self._locate(file)) for file in expert.facts.files)
        return replace(expert.facts, files=files)

    def _expert(self, reference: str, span: Span) -> LockedExpert | None:
        keys = (
            path_key(reference, span, self._root, self._folder),
            self._references.get(reference),
            reference,
        )
        for key in keys:
            expert = self._lock.expert(key) if key is not None else None
            if expert is not None:
                return expert
        start = reference.lower().removeprefix(DIGEST)
        if start == reference.lower() or len(start) < 8:
            return None
        holders = [e for e in self._lock.experts if any(f.sha256.startswith(start) for f in e.facts.files)]
        return holders[0] if len(holders) == 1 else None

    def _exists(self, reference: str, span: Span) -> bool:
        try:
            return place(reference, span, self._root).exists()
        except (OSError, ValueError, RuntimeError):
            return False


class Located:
    """Finds files: where the lock says, in the package by digest, in the catalog, where there is one, by digest."""

    def __init__(
        self, folder: Path, shipped: Mapping[str, str], catalog: Callable[[], Library | None]
    ) -> None:
        self._folder = folder
        self._shipped = shipped
        self._catalog = catalog

    def __call__(self, file: FileFact) -> str:
        """A location for `FileFact`, empty where the bytes are not at hand. What lies there is not hashed here."""
        here = self._folder / file.location
        if file.location and ":" not in file.location and here.is_file():
            return str(here.absolute())
        if file.sha256 in self._shipped:
            return self._shipped[file.sha256]
        try:
            places = self._catalogued(file.sha256)
        except MosaicError:
            return ""  # a catalog that cannot be opened is not needed either
        return next((location for location in places if Path(location).is_file()), "")

    def _catalogued(self, sha256: str) -> list[str]:
        catalog = self._catalog()
        return [
            known.location
            for facts in (catalog.by_digest(sha256) if catalog is not None else ())
            for known in facts.files
            if known.sha256 == sha256 and known.location
        ]
