"""What the lints look at: a file that compiles, as text, tree and graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.syntax import tree


@dataclass(frozen=True)
class Subject:
    """A file without errors. `graphs` are its plans with fragments inlined and operators chosen, `said` what `check`
    says of it. `again` gives the same of another text of this file, None for one that does not compile."""

    file: tree.File
    graphs: tuple[Graph, ...]
    said: tuple[Diagnostic, ...]
    context: Context
    again: Callable[[SourceFile], Subject | None] = field(repr=False, compare=False)

    @property
    def source(self) -> SourceFile:
        """The text."""
        return self.file.source

    @property
    def plans(self) -> tuple[tree.Plan, ...]:
        """The plans, in order."""
        return tuple(item for item in self.file.items if isinstance(item, tree.Plan))

    @property
    def fragments(self) -> tuple[tree.Define, ...]:
        """The fragments, in order."""
        return tuple(item for item in self.file.items if isinstance(item, tree.Define))

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """What the plans mean: operators with their settings and whatever an emit needs."""
        return tuple(graph.digest for graph in self.graphs)

    def has_comment(self, span: Span) -> bool:
        """Whether a comment begins in a stretch of the text, so that taking it out would lose a word of the author."""
        return any(span.start <= comment.span.start < span.end for comment in self.file.comments)
