"""Fusions made of fusions."""

from __future__ import annotations

from collections.abc import Sequence

from mosaic.compiler.ir.graph import Node
from mosaic.compiler.ir.ops import make
from mosaic.compiler.ir.stretches import ends_in
from mosaic.compiler.operators import Operator


def choosing(node: Node, kept: Sequence[int], operator: Operator) -> Node:
    """A fusion of some of its inputs, in another order perhaps."""
    inputs = tuple(node.inputs[at] for at in kept)
    attributes = {
        **dict(node.attributes),
        "ends_in": ends_in(operator, str(node.attribute("settings")), inputs),
    }
    # Where an input was written travels with it; what is left over is where the operator was named.
    origin = node.origin
    if origin is not None and len(origin.inputs) >= len(node.inputs):
        spans = (*(origin.inputs[at] for at in kept), *origin.inputs[len(node.inputs) :])
        origin = type(origin)(origin.span, spans, origin.calls)
    return make("fuse", inputs, attributes, origin=origin, like=node)
