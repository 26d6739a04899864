"""M012: an edition that a later one has taken the place of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic, Edit
from mosaic.compiler.lint.subject import Subject
from mosaic.compiler.syntax.editions import EDITIONS, Edition


def editions(subject: Subject, known: Mapping[int, Edition] = EDITIONS) -> Iterator[Diagnostic]:
    """By the table of editions."""
    header, edition = subject.file.header, known.get(subject.file.edition or 0)
    if header is None or edition is None or edition.successor is None:
        return
    written = header.source.span(header.end - len(str(edition.number)), header.end)
    edits = (Edit(written, str(edition.successor)),)
    yield errors.lints.OldEdition(written, edits, edition.number, edition.successor, edition.changes)
