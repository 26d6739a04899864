"""M302: a latent goes to a model of its own space."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.passes.choose_bridges import registered
from mosaic.compiler.rules.place import place
from mosaic.compiler.types import Kind


def latent_spaces(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """`resume` and `refine` read a latent with the model that stands beside it."""
    for node in graph.nodes():
        if node.op not in ("resume", "refine") or node.inputs[1].type.kind is not Kind.LATENT:
            continue
        given, wanted = node.inputs[1].type.space, node.inputs[0].type.space
        if given is None or wanted is None or given == wanted:
            continue
        spot = place(node, 1)
        model = place(node, 0).span
        bridge = registered(given, wanted, context, spot.span)
        yield errors.types.SpaceMismatch(
            spot.span,
            given,
            wanted,
            model if model != spot.span else None,
            spot.trail,
            bridge.id if bridge else "",
            bridge.bridge.r2 if bridge and bridge.bridge else None,
        )
