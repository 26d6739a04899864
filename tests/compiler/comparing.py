"""Versions of plans for tests of what differs between them."""

from __future__ import annotations

import re
from functools import cache

from mosaic.compiler import compile
from mosaic.compiler.comparing.changes import Change, Comparison
from mosaic.compiler.comparing.meaning import MEANING, Version, versions
from mosaic.compiler.comparing.plans import compare
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Sink
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax.parse import parse
from mosaic.project import Project


@cache
def zoo() -> Context:
    """The shipped experts, the operators and fragments of the standard library."""
    return Project().context(SourceFile("<plan>", ""))


def of(text: str, context: Context | None = None, file: str = "plan.mosaic") -> tuple[Version, ...]:
    """The plans of a text, which has to be sound."""
    source, world = SourceFile(file, text), context or zoo()
    full, plain = compile(source, world), compile(source, world, passes=MEANING)
    assert not full.has_errors, [d.message() for d in full.diagnostics]
    return versions("", full, plain, world, parse(source, Sink()).items)


def compared(old: str, new: str, context: Context | None = None) -> Comparison:
    """Two texts compared."""
    return compare(of(old, context), of(new, context))


def changes(comparison: Comparison) -> list[tuple[str, str, str, str]]:
    """All changes of all plans: aspect, what it is said of, and how both sides are spelled."""
    return [
        _told(change)
        for plan in comparison.plans
        for change in (
            *plan.changes,
            *(change for emit in plan.emits for change in emit.changes),
            *plan.rights,
            *plan.costs,
        )
    ]


def _told(change: Change) -> tuple[str, str, str, str]:
    texts = (side.text if side is not None else "" for side in (change.old, change.new))
    old, new = (
        re.sub("[0-9a-f]{12}…", "…", text) for text in texts
    )  # bytes are none of these tests' business
    return str(change.aspect), change.of, old, new
