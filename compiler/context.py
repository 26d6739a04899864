"""How the outside world comes in: what the compiler asks of whoever knows experts, files and operators.

The compiler is pure. A face (the command line, a service) implements these protocols over a catalog and a file
system and hands them in as a `Context`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.operators import Operator
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.types import Kind


@dataclass(frozen=True)
class FileFact:
    """One file of an expert or an input picture.

    `location` says where to look for the bytes and is no part of any digest: `package:` + a path inside the
    installed `mosaic` package, or a path as the operating system takes it.
    """

    role: str  # unet, text_encoder, tokenizer, vae, scheduler, config, adapter, embedding, checkpoint, image
    sha256: str
    size: int
    location: str
    name: str = ""  # the path inside the expert, "unet/diffusion_pytorch_model.safetensors"
    pixels: tuple[int, int] | None = None  # width and height of a picture


@dataclass(frozen=True)
class ExpertFacts:
    """What is known of an expert without reading its weights."""

    id: str
    kind: Kind
    family: str | None
    space: str | None
    prediction: str | None
    files: tuple[FileFact, ...]
    trigger: str | None = None
    title: str = ""
    license: str | None = None
    native_size: tuple[int, int] | None = None
    size_multiple: int = 8  # width and height must be multiples of this many pixels
    lacks: tuple[str, ...] = ()  # what a checkpoint needs to make pictures and does not have, in words
    defaults: Mapping[str, object] = field(
        default_factory=dict, hash=False
    )  # steps, guidance, scheduler, size


@dataclass(frozen=True)
class Coverage:
    """How an adapter's or checkpoint's tensors meet a base's, by names and shapes alone."""

    matched: int
    total: int
    unmatched: tuple[str, ...] = ()  # names with no counterpart in the base
    misshaped: tuple[str, ...] = ()  # "name: 64 here, 768 there"

    @property
    def complete(self) -> bool:
        """Whether every tensor found its place."""
        return self.matched == self.total and not self.misshaped


@dataclass(frozen=True)
class TokenCount:
    """How many tokens a prompt takes, and how many the encoder can (both without begin and end marks).

    `kept` is the length of the leading part of the text that fits, in characters.
    """

    used: int
    limit: int
    kept: int


class Experts(Protocol):
    """The catalog as the compiler sees it. Nothing here reads a weight."""

    def resolve(self, kind: Kind, reference: str, span: Span) -> ExpertFacts | Diagnostic:
        """The expert that an id, alias, `sha256:...` or `./path` (relative to the span's file) means."""

    def names(self, kind: Kind) -> Sequence[str]:
        """Every id of a kind, for suggestions."""

    def coverage(self, base: ExpertFacts, expert: ExpertFacts) -> Coverage:
        """How the tensors of a LoRA, embedding, VAE or checkpoint meet those of the base."""

    def tokens(self, base: ExpertFacts, embeddings: Sequence[ExpertFacts], text: str) -> TokenCount | None:
        """The length of a prompt for this base's encoder, or None where its tokenizer is not at hand."""


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
