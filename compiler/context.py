"""How the outside world comes in: what the compiler asks of whoever knows experts, files and operators.

The compiler is pure. A face (the command line, a service) implements these protocols over a catalog and a file
system and hands them in as a `Context`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mosaic.compiler.cost.architecture import Architecture
from mosaic.compiler.cost.fidelity import Fidelity
from mosaic.compiler.cost.manner import Manner
from mosaic.compiler.cost.profile import Profile
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.facts import Candidate, Coverage, ExpertFacts, FileFact, Interference, TokenCount
from mosaic.compiler.operators import Operator
from mosaic.compiler.pins import Pins
from mosaic.compiler.policy.terms import Licences, UnknownLicences
from mosaic.compiler.policy.words import NoWords, Words
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.types import Kind


class Experts(Protocol):
    """The catalog as the compiler sees it. Nothing here reads a weight."""

    def resolve(self, kind: Kind, reference: str, span: Span) -> ExpertFacts | Diagnostic:
        """The expert that an id, alias, `sha256:...` or `./path` (relative to the span's file) means."""

    def names(self, kind: Kind) -> Sequence[str]:
        """Every id of a kind, for suggestions."""

    def coverage(self, base: ExpertFacts, expert: ExpertFacts) -> Coverage:
        """How the tensors of a LoRA, embedding, VAE or checkpoint meet those of the base."""

    def touches(self, base: ExpertFacts, expert: ExpertFacts) -> Sequence[str]:
        """Canonical names of the base's tensors that a LoRA or checkpoint changes; empty where they are not at hand."""

    def architecture(self, base: ExpertFacts) -> Architecture | None:
        """What a checkpoint's networks cost to run, or None where that is not known."""

    def bridge(self, source: str, target: str) -> ExpertFacts | None:
        """What carries latents of one space into another, or None where nothing is registered."""

    def tokens(self, base: ExpertFacts, embeddings: Sequence[ExpertFacts], text: str) -> TokenCount | None:
        """The length of a prompt for this base's encoder, or None where its tokenizer is not at hand."""

    def find(
        self, kind: Kind, words: str, families: Sequence[str] = (), ratings: Sequence[str] = ()
    ) -> Sequence[Candidate]:
        """The experts that answer some words, the best first, at most some dozens.

        `families` and `ratings` narrow the search where they are not empty; an expert of unknown family or rating
        is then left out.
        """

    def fitting(self, kind: Kind, base: ExpertFacts, like: ExpertFacts) -> Sequence[str]:
        """Ids of experts of a kind that fit a base and are most like another one, the best first; at most three."""

    def interference(self, first: ExpertFacts, second: ExpertFacts) -> Interference | None:
        """How two adapters' deltas meet, or None where that is not known and cannot be computed here."""


class Files(Protocol):
    """The files beside a plan. Escapes out of the project are refused with a diagnostic."""

    def fragment(self, reference: str, span: Span) -> SourceFile | Diagnostic:
        """The text of `use std.looks` or `use "./house.mosaic"`, relative to the span's file.

        Returns files that compare equal (same name) for the same file, so that cycles are seen.
        """

    def image(self, reference: str, span: Span) -> FileFact | Diagnostic:
        """The digest of a picture that a plan loads."""


@dataclass(frozen=True)
class Context:
    """Everything the compiler may ask of the world."""

    experts: Experts
    files: Files
    operators: Mapping[str, Operator]
    families: tuple[str, ...] = ("sd1",)  # those that the engine of this version runs
    pins: Pins = field(default_factory=Pins)  # what a lock decided before
    licences: Licences = field(default_factory=UnknownLicences)  # the table of licences
    fidelity: Fidelity = field(default_factory=Fidelity)  # what was measured of composing
    profile: Profile | None = None  # the device that plans are priced for
    room: Profile | None = None  # the device whose memory plans must fit into
    manner: Manner = field(default_factory=Manner)  # how the engine will be told to run
    words: Words = field(default_factory=NoWords)  # the rated words that prompts are looked through for
