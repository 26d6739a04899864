"""The project that clients' plans are compiled in: of the machine's files it reads none but those below one folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.catalog.paths import is_path, place
from mosaic.compiler.context import Context, Experts, Files
from mosaic.compiler.cost.architecture import Architecture
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.errors.inputs import UnknownExpert
from mosaic.compiler.errors.serving import PathRefused
from mosaic.compiler.facts import Candidate, Coverage, ExpertFacts, FileFact, Interference, TokenCount
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.types import Kind
from mosaic.project import Project

if TYPE_CHECKING:
    from mosaic.compiler.cost.profile import Profile


class RootedProject(Project):
    """A project for texts without a place. Paths in them start from `root`, and lead nowhere else; without a root they
    lead nowhere. `empty` is a folder with nothing in it. No lock and no settings of a project count.
    """

    def __init__(
        self,
        root: Path | None,
        empty: Path,
        catalog: Path | None = None,
        device: str | None = None,
        *,
        room: Profile | None = None,
    ) -> None:
        super().__init__(catalog, device, fits=True, room=room)
        self._root, self._base = root, root or empty
        self._rooted: Context | None = None

    def context(self, source: SourceFile) -> Context:
        """The context of any text."""
        if self._rooted is None:
            found = self._context(self._base)
            fence = Fence(self._root, self._base)
            self._rooted = replace(
                found, experts=RootedExperts(found.experts, fence), files=RootedFiles(found.files, fence)
            )
        return self._rooted


class Fence:
    """Says of references whether they lead outside."""

    def __init__(self, root: Path | None, base: Path) -> None:
        self._root, self._base = root, base

    def refused(self, reference: str, span: Span) -> Diagnostic | None:
        """Why a path is not followed (M876); None where it leads below the root."""
        if self._root is not None and self._is_inside(reference, span):
            return None
        return PathRefused(span, reference, self._root is not None)

    def _is_inside(self, reference: str, span: Span) -> bool:
        assert self._root is not None, "asked where there is a root"
        try:
            real = os.path.realpath(place(reference, span, self._base))
        except (ValueError, RuntimeError, OSError):  # a NUL; no home folder; a loop of links
            return False
        return Path(real).is_relative_to(os.path.realpath(self._root))


class RootedFiles:
    """Implements `Files`: fragments of the standard library by name, others and pictures below the root."""

    def __init__(self, files: Files, fence: Fence) -> None:
        self._files, self._fence = files, fence

    def fragment(self, reference: str, span: Span) -> SourceFile | Diagnostic:
        """See `Files`."""
        if reference.startswith("std.") and "/" not in reference:
            return self._files.fragment(reference, span)
        return self._fence.refused(reference, span) or self._files.fragment(reference, span)

    def image(self, reference: str, span: Span) -> FileFact | Diagnostic:
        """See `Files`."""
        return self._fence.refused(reference, span) or self._files.image(reference, span)


class RootedExperts:
    """Implements `Experts`: those of the catalog, and by path those below the root."""

    def __init__(self, experts: Experts, fence: Fence) -> None:
        self._experts, self._fence = experts, fence

    def resolve(self, kind: Kind, reference: str, span: Span) -> ExpertFacts | Diagnostic:
        """See `Experts`."""
        refused = self._fence.refused(reference, span) if is_path(reference) else None
        if refused is not None:
            return refused
        found = self._experts.resolve(kind, reference, span)
        if isinstance(found, UnknownExpert) and found.is_file and self._fence.refused(reference, span):
            return replace(found, is_file=False)  # whether anything is there is not told
        return found

    def names(self, kind: Kind) -> Sequence[str]:
        """See `Experts`."""
        return self._experts.names(kind)

    def coverage(self, base: ExpertFacts, expert: ExpertFacts) -> Coverage:
        """See `Experts`."""
        return self._experts.coverage(base, expert)

    def touches(self, base: ExpertFacts, expert: ExpertFacts) -> Sequence[str]:
        """See `Experts`."""
        return self._experts.touches(base, expert)

    def architecture(self, base: ExpertFacts) -> Architecture | None:
        """See `Experts`."""
        return self._experts.architecture(base)

    def bridge(self, source: str, target: str) -> ExpertFacts | None:
        """See `Experts`."""
        return self._experts.bridge(source, target)

    def tokens(self, base: ExpertFacts, embeddings: Sequence[ExpertFacts], text: str) -> TokenCount | None:
        """See `Experts`."""
        return self._experts.tokens(base, embeddings, text)

    def find(
        self, kind: Kind, words: str, families: Sequence[str] = (), ratings: Sequence[str] = ()
    ) -> Sequence[Candidate]:
        """See `Experts`."""
        return self._experts.find(kind, words, families, ratings)

    def fitting(self, kind: Kind, base: ExpertFacts, like: ExpertFacts) -> Sequence[str]:
        """See `Experts`."""
        return self._experts.fitting(kind, base, like)

    def interference(self, first: ExpertFacts, second: ExpertFacts) -> Interference | None:
        """See `Experts`."""
        return self._experts.interference(first, second)
