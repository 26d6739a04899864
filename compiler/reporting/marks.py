"""What forms say of a diagnostic in common: where, in which words, and by what mark it is known again."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.source import Span


def uri(name: str) -> str:
    """A file's name as a URI reference: relative where the name is, `file:` where it is absolute."""
    path = name.replace("\\", "/") if name[1:3] == ":\\" else name
    parts = [part for part in path.split("/") if part not in ("", ".")]
    encoded = quote("/".join(parts), safe="/", errors="surrogateescape")
    if path.startswith("/") or name[1:3] == ":\\":
        return f"file:///{encoded}"
    return encoded


def is_below(name: str) -> bool:
    """Whether a file's name leads to a file below the current folder."""
    return not uri(name).startswith(("file:", "../"))


def words(diagnostic: Diagnostic) -> str:
    """All that a diagnostic says without a picture of the source: message and label, then a line for each advice."""
    label = diagnostic.primary()
    head = f"{diagnostic.message()}: {label}" if label else diagnostic.message()
    return "\n".join((head, *(f"help: {advice}" for advice in diagnostic.help())))


def places(span: Span) -> tuple[int, int, int, int]:
    """First line and column of a span, last line, and the column behind its last character; all count from 1."""
    return *span.source.position(span.start), *span.source.position(span.end)


def fingerprints(diagnostics: Sequence[Diagnostic]) -> Iterator[str]:
    """For each diagnostic a mark by which it is found again when lines above it come and go.

    It covers code, file and the line's text without white space; equals are numbered in their order.
    """
    seen: Counter[str] = Counter()
    for diagnostic in diagnostics:
        span = diagnostic.span
        where = ("", diagnostic.message()) if span is None else (uri(span.source.name), _line(span))
        mark = hashlib.sha256(_bytes("\0".join((diagnostic.code, *where)))).hexdigest()[:32]
        seen[mark] += 1
        yield f"{mark}:{seen[mark]}"


def _line(span: Span) -> str:
    return "".join(span.source.line(span.source.position(span.start)[0]).split())


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
