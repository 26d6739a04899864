"""M005: one expert under two names."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic, Edit
from mosaic.compiler.ir.evaluate import operand
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.lint.names import bound, named_in
from mosaic.compiler.lint.subject import Subject
from mosaic.compiler.removing import removal
from mosaic.compiler.syntax import tree
from mosaic.compiler.types import EXPERTS


def bound_again(subject: Subject) -> Iterator[Diagnostic]:
    """Told by digest, so two ids of one file are one expert. A `find` or a parameter may be another one tomorrow."""
    graphs = {graph.name: graph for graph in subject.graphs}
    for plan in subject.plans:
        if plan.name.text in graphs:
            yield from _of_plan(plan, graphs[plan.name.text])


def _of_plan(plan: tree.Plan, graph: Graph) -> Iterator[Diagnostic]:
    names = bound(plan.body)
    first: dict[str, tree.Let] = {}
    for name, node in graph.bindings:
        let = names[name]
        if operand(node).op != "expert" or not _is_literal(let.value):
            continue
        earlier = first.setdefault(node.digest, let)
        if earlier is not let:
            edits = (*_renamed(plan, name, earlier.name.text), removal(let.span))
            kind = node.type.kind.value
            yield errors.lints.BoundAgain(
                let.name.span, edits, name, earlier.name.text, kind, earlier.name.span
            )


def _is_literal(value: tree.Expression) -> bool:
    """Whether an expert is named in so many words."""
    if not isinstance(value, tree.Call) or value.function.text not in EXPERTS:
        return False
    return all(
        isinstance(argument.value, tree.Literal)
        or (isinstance(argument.value, tree.Text) and argument.value.plain is not None)
        for argument in value.arguments
    )


def _renamed(plan: tree.Plan, name: str, other: str) -> Iterator[Edit]:
    for reference in named_in(plan.body):
        if reference.parts == (name,):
            yield Edit(reference.span, other)
