"""M002: a parameter that nothing reads."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.lint.names import named_in, references
from mosaic.compiler.lint.subject import Subject
from mosaic.compiler.removing import removal
from mosaic.compiler.syntax import tree


def unused_parameters(subject: Subject) -> Iterator[Diagnostic]:
    """Of the file, wherever it could be named; of a fragment, in its body."""
    used = {reference.parts[0] for item in subject.file.items for reference in references(item)}
    for item in subject.file.items:
        if isinstance(item, tree.Parameter) and item.name.text not in used:
            edits = (removal(item.span),)
            yield errors.lints.UnusedParameter(item.name.span, edits, item.name.text)
    for fragment in subject.fragments:
        inner = {reference.parts[0] for reference in named_in(fragment.body)}
        for parameter in fragment.parameters:
            if parameter.name.text not in inner:
                yield errors.lints.UnusedParameter(parameter.name.span, (), parameter.name.text)
