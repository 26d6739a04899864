"""M004: a fragment beside plans that nothing calls."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.lint.names import references
from mosaic.compiler.lint.subject import Subject
from mosaic.compiler.removing import removal


def unused_fragments(subject: Subject) -> Iterator[Diagnostic]:
    """A file without plans is a library: its fragments are there for others."""
    if not subject.plans:
        return
    used = {reference.parts[0] for item in subject.file.items for reference in references(item)}
    for fragment in subject.fragments:
        if fragment.name.text not in used:
            edits = (removal(fragment.span),)
            yield errors.lints.UnusedFragment(fragment.name.span, edits, fragment.name.text)
