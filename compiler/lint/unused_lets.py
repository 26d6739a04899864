"""M001: a `let` whose name nothing uses."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.lint.names import Body, named_in
from mosaic.compiler.lint.subject import Subject
from mosaic.compiler.removing import removal
from mosaic.compiler.syntax import tree


def unused_lets(subject: Subject) -> Iterator[Diagnostic]:
    """In plans and in fragments. Experts of plans are left to `check`, which warns of them (M207)."""
    told = {d.span for d in subject.said if isinstance(d, errors.names.UnusedExpert)}
    bodies = [*(plan.body for plan in subject.plans), *(fragment.body for fragment in subject.fragments)]
    for body in bodies:
        for let in _unused(body):
            if let.name.span not in told:
                yield errors.lints.UnusedLet(let.name.span, (removal(let.span),), let.name.text)


def _unused(body: Body) -> Iterator[tree.Let]:
    used = {reference.parts[0] for reference in named_in(body)}
    for statement in body:
        if isinstance(statement, tree.Let) and statement.name.text not in used:
            yield statement
