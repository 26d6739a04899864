"""M011: `via` pins what would be chosen."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic, Fix
from mosaic.compiler.fixing import apply
from mosaic.compiler.lint.idle_operands import pinned
from mosaic.compiler.lint.names import calls
from mosaic.compiler.lint.subject import Subject
from mosaic.compiler.removing import argument_removal
from mosaic.compiler.syntax import tree


def needless_pins(subject: Subject) -> Iterator[Diagnostic]:
    """The plan is compiled without the words, each time without one of them: it has to mean the same to the digest, and
    nothing more may be said of it. Of a budget that nobody can price here nothing is known.
    """
    if not subject.graphs or (subject.context.profile is None and any(g.budget for g in subject.graphs)):
        return
    plans = [plan.span for plan in subject.plans]
    for call, _ in calls(subject.file, "fuse"):
        via = pinned(call)
        if via is None or not isinstance(via.value, tree.Reference) or via.value.text == "auto":
            continue
        if not any(plan.start <= via.span.start < plan.end for plan in plans):
            continue  # in a fragment, which other files may call with other experts
        edit = argument_removal(call, call.arguments.index(via))
        if edit is not None and _is_same_without(subject, Fix("", (edit,))):
            yield errors.lints.PinnedAsChosen(via.span, (edit,), via.value.text)


def _is_same_without(subject: Subject, fix: Fix) -> bool:
    again = subject.again(apply(subject.source, [fix]))
    if again is None or again.digests != subject.digests:
        return False
    return [d.code for d in again.said] == [d.code for d in subject.said]
