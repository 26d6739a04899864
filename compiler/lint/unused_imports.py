"""M003: an import of which nothing is called."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.check.file import imported_as
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.lint.names import references
from mosaic.compiler.lint.subject import Subject
from mosaic.compiler.removing import removal
from mosaic.compiler.syntax import tree


def unused_imports(subject: Subject) -> Iterator[Diagnostic]:
    """What is imported is called as `name.fragment(…)`."""
    used = {reference.parts[0] for item in subject.file.items for reference in references(item)}
    for item in subject.file.items:
        if isinstance(item, tree.Use) and imported_as(item).text not in used:
            name = imported_as(item).text
            yield errors.lints.UnusedImport(item.module.span, (removal(item.span),), name)
