"""M013: experts that nothing pins to their bytes."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic, Label
from mosaic.compiler.lint.constants import resolved
from mosaic.compiler.lint.names import calls
from mosaic.compiler.lint.subject import Subject
from mosaic.compiler.source import Span
from mosaic.compiler.syntax import tree
from mosaic.compiler.types import EXPERTS

_PATHS = ("./", "../", "/", "~/")
"""How a path begins, where an id or a digest could stand."""


def unpinned(subject: Subject) -> Iterator[Diagnostic]:
    """Paths and finds, where no lock holds the file; all of them in one message, at the first."""
    if not subject.plans or subject.context.pins:
        return
    found = sorted(_found(subject), key=lambda each: each[0].start)
    if found:
        (span, how), *others = found
        what = "which expert this is" if not others else f"which experts these are ({len(found)} of them)"
        labels = tuple(Label(*other) for other in others)
        yield errors.lints.Unpinned(span, (), what, how, labels)


def _found(subject: Subject) -> Iterator[tuple[Span, str]]:
    for call, _ in calls(subject.file, "find"):
        yield call.span, "looked up by words"
    for call, body in calls(subject.file, *EXPERTS):
        reference = resolved(call.arguments[0].value, body) if call.arguments else None
        if isinstance(reference, tree.Text) and (reference.plain or "").startswith(_PATHS):
            yield call.arguments[0].value.span, "named by its path"
