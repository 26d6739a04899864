"""What the compiler's view of the catalog asks of a collection of experts: a store, a snapshot or a lock.

`LocalExperts` (the `Experts` of the compiler) is built over the shipped index and at most one library.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from mosaic.compiler.facts import Candidate, Coverage, ExpertFacts, Interference
from mosaic.compiler.types import Kind
from mosaic.compiler.weights.header import Header

if TYPE_CHECKING:
    from mosaic.catalog.store.search import Answer
    from mosaic.catalog.store.sights import Sight
    from mosaic.catalog.store.vocabulary import Near, Use


class Library(Protocol):
    """Read-only. Every method answers in milliseconds with a hundred thousand experts."""

    @property
    def place(self) -> str:
        """Where it lies, as messages name it."""

    @property
    def digest(self) -> str:
        """64 hex digits over the content of every expert in it, whatever the order and the place."""

    def facts(self, reference: str) -> ExpertFacts | None:
        """An expert by id or alias."""

    def by_digest(self, start: str) -> Sequence[ExpertFacts]:
        """Experts that have a file whose SHA-256 (and so AutoV2), tensors' digest, AutoV3 or BLAKE3 begins so."""

    def names(self, kind: Kind) -> Sequence[str]:
        """Every id of a kind, sorted."""

    def near(self, kind: Kind, reference: str) -> Sequence[str]:
        """At most two ids of a kind that are spelt much like a mistyped one, the best first."""

    def header(self, sha256: str) -> Header | None:
        """The names, dtypes and shapes of a safetensors file's tensors (offsets all zero), with the metadata that
        coverage needs."""

    def text(self, sha256: str) -> str | None:
        """A small file's content: a configuration, a tokenizer."""

    def coverage(self, base: ExpertFacts, expert: ExpertFacts) -> Coverage | None:
        """How an expert's tensors meet a base's, where that is stored; both are this library's."""

    def find(
        self, kind: Kind, words: str, families: Sequence[str], ratings: Sequence[str]
    ) -> Sequence[Candidate]:
        """As `mosaic.compiler.context.Experts.find`."""

    def answers(
        self,
        texts: Sequence[str],
        families: Sequence[str] = (),
        most: int = 16,
        loose: Collection[str] | None = None,
    ) -> Sequence[Sequence[Answer]]:
        """For each of some texts the experts of any kind that answer it, the best first. Only words (in normal form)
        that are `loose` stand for longer and misspelt ones; all do where nothing is said."""

    def named(self, words: Sequence[str]) -> frozenset[str]:
        """Those of some words, in normal form, that any expert is called by."""

    def uses(self, words: Sequence[str]) -> Mapping[str, Use]:
        """How the catalog uses words, by the word as given; words that it does not know are left out."""

    def pairs(self, asked: Sequence[tuple[str, str]]) -> frozenset[tuple[str, str]]:
        """Those of some pairs of words, in normal form, that name one expert together."""

    def related(self, words: Sequence[str]) -> Mapping[str, Sequence[Near]]:
        """For each word the names that stand nearest to it; those that the catalog does not know are left out."""

    def sights(self, ids: Sequence[str]) -> Sequence[Sight]:
        """What is known and told of experts, in the order of their ids as given; unknown ones are left out."""

    def checkpoints(self, families: Sequence[str] = (), limit: int = 16) -> Sequence[ExpertFacts]:
        """Checkpoints of some families (of all where none is named), by id."""

    def bridges(self, source: str, target: str) -> Sequence[ExpertFacts]:
        """The bridges from one latent space into another, sorted by id."""

    def fitting(self, kind: Kind, base: ExpertFacts, like: ExpertFacts) -> Sequence[str]:
        """As `mosaic.compiler.context.Experts.fitting`."""

    def interference(self, first: ExpertFacts, second: ExpertFacts) -> Interference | None:
        """As `mosaic.compiler.context.Experts.interference`, where it is stored."""

    def changed(self, facts: ExpertFacts) -> str:
        """The `integrity` of an expert: "" where its files on disk look as when they were catalogued (size, times,
        inode) or are not at hand at all, else "changed" or "missing"."""

    def close(self) -> None:
        """Let go of the file."""


class Once:
    """A library that is opened at the first need: most plans need none."""

    def __init__(self, open_: Callable[[], Library]) -> None:
        self._open = open_
        self._library: Library | None = None

    @property
    def opened(self) -> Library | None:
        """The library, where it was needed so far."""
        return self._library

    def get(self) -> Library:
        """The library. Raises MosaicError where it cannot be opened."""
        if self._library is None:
            self._library = self._open()
        return self._library
