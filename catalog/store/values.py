"""What the store answers with."""

from __future__ import annotations

from dataclasses import dataclass

from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.types import Kind


@dataclass(frozen=True)
class Put:
    """What became of the records of one call, by the ids that they are catalogued under, in their order."""

    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()  # other facts, other content at the same place, or one more copy
    unchanged: tuple[str, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()  # M839: an id was taken


@dataclass(frozen=True)
class Row:
    """One line of a listing."""

    id: str
    kind: Kind
    family: str | None
    title: str
    trigger: str | None
    license: str | None
    rating: str | None
    size: int  # bytes of all its files
    digest: str


@dataclass(frozen=True)
class Hit:
    """An expert that answers some words. `score` is its lexical relevance, 0..1."""

    row: Row
    score: float
    words: tuple[str, ...]  # those of the request that it answers to


@dataclass(frozen=True)
class Stats:
    """What a catalog holds. Counts are by name, the largest first."""

    experts: int
    files: int  # different ones, by content
    size: int  # bytes of these
    kinds: tuple[tuple[str, int], ...]
    families: tuple[tuple[str, int], ...]  # "" where unknown
    licenses: tuple[tuple[str, int], ...]
    ratings: tuple[tuple[str, int], ...]
    signatures: int
    coverages: int
    edges: int
    capabilities: int
    schema: int
    digest: str
    stored: int  # bytes of the catalog itself


@dataclass(frozen=True)
class Export:
    """A snapshot that was written."""

    folder: str
    digest: str
    experts: int
    size: int  # bytes
    files: tuple[str, ...]
