"""M206: the base is of a family that the engine runs."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.ir.models import MODELS, is_whole, operator_of
from mosaic.compiler.ir.origins import base_node
from mosaic.compiler.rules.place import place

_RUNS = ("sample", "resume", "refine", "align", "encode", "emit")


def engine_families(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """What compiles runs: a model of another family is refused before one weight is read. Each is told once."""
    told: dict[str, None] = {}
    for node in graph.nodes():
        for given in _run(node, context):
            base = base_node(given)
            if base.op != "expert" or base.type.family in context.families or base.digest in told:
                continue
            told[base.digest] = None
            family = base.type.family or "an unknown family"
            yield errors.names.NotAvailable(
                place(base).span, f"running a model of {family}", tuple(context.families)
            )


def _run(node: Node, context: Context) -> tuple[Node, ...]:
    """The models that a node runs by themselves."""
    if node.op == "fuse":
        operator = operator_of(node, context.operators)
        return tuple(given for given in node.inputs[1:] if is_whole(given, operator))
    return tuple(given for given in node.inputs if node.op in _RUNS and given.type.kind in MODELS)
