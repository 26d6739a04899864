"""M009: a VAE that the base has anyway."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic, Edit
from mosaic.compiler.facts import FileFact
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.ir.models import operator_of
from mosaic.compiler.ir.origins import base_expert
from mosaic.compiler.lint.names import calls
from mosaic.compiler.lint.subject import Subject
from mosaic.compiler.operators import Acts
from mosaic.compiler.removing import argument_removal
from mosaic.compiler.rules.place import place
from mosaic.compiler.types import Kind


def own_vaes(subject: Subject) -> Iterator[Diagnostic]:
    """Told by the digests of all files of the VAE. One that replaces what another has replaced is none to leave out."""
    for graph in subject.graphs:
        for node, position in _vaes(graph, subject):
            given, base = node.inputs[position], base_expert(node)
            spot = place(node, position)
            if spot.span is not None and _has(base.files, given.expert.files) and not spot.trail:
                edit = _edit(subject, spot.span.key)
                yield errors.lints.OwnVae(spot.span, (edit,) if edit else (), given.name, base.id)


def _vaes(graph: Graph, subject: Subject) -> Iterator[tuple[Node, int]]:
    """Fusions into a checkpoint as it is, with the place of their only VAE."""
    for node in graph.nodes():
        if node.op != "fuse" or node.inputs[0].op != "expert":
            continue
        places = [at for at, given in enumerate(node.inputs) if given.type.kind is Kind.VAE]
        # A schedule may end in another latent space than it began in.
        if len(places) == 1 and operator_of(node, subject.context.operators).acts is not Acts.SCHEDULE:
            yield node, places[0]


def _has(files: tuple[FileFact, ...], wanted: tuple[FileFact, ...]) -> bool:
    return {file.sha256 for file in wanted} <= {file.sha256 for file in files}


def _edit(subject: Subject, key: tuple[str, int, int]) -> Edit | None:
    for call, _ in calls(subject.file, "fuse"):
        for position, argument in enumerate(call.arguments):
            if argument.value.span.key == key:
                return argument_removal(call, position)
    return None
