"""Diagnostics -> how often each code was told, the most frequent first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mosaic.compiler.diagnostic import Diagnostic, Severity
from mosaic.compiler.explain import headline


@dataclass(frozen=True)
class Count:
    """How often a code was told."""

    count: int
    code: str
    severity: Severity
    title: str


def statistics(diagnostics: Iterable[Diagnostic]) -> tuple[Count, ...]:
    """The codes by falling counts, equals by code."""
    counts = Counter(type(diagnostic) for diagnostic in diagnostics)
    order = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0].code))
    return tuple(Count(count, kind.code, kind.severity, headline(kind)) for kind, count in order)


def table(counts: Iterable[Count]) -> str:
    """A line for each code; empty where there is none."""
    rows = tuple(counts)
    width = max((len(str(row.count)) for row in rows), default=0)
    return "\n".join(f"{row.count:>{width}}  {row.code}  {row.severity:<7}  {row.title}" for row in rows)
