"""M206: the base is of a family that the engine runs."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.ir.origins import base_node
from mosaic.compiler.rules.place import place
from mosaic.compiler.types import Kind

_RUNS = ("sample", "resume", "refine", "align", "encode", "emit")


def engine_families(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """What compiles runs: a model of another family is refused before one weight is read. Each is told once."""
    told: dict[str, None] = {}
    for node in graph.nodes():
        if node.op not in _RUNS:
            continue
        for given in node.inputs:
            if given.type.kind not in (Kind.MODEL, Kind.CHECKPOINT):
                continue
            base = base_node(given)
            if base.op != "expert" or base.type.family in context.families or base.digest in told:
                continue
            told[base.digest] = None
            family = base.type.family or "an unknown family"
            yield errors.names.NotAvailable(
                place(base).span, f"running a model of {family}", tuple(context.families)
            )
