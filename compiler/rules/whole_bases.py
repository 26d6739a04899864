"""M409: what denoises, decodes and reads prompts is a whole model."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import INFIXES
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.ir.origins import base_node
from mosaic.compiler.rules.place import place
from mosaic.compiler.types import Kind

_MODELS = (Kind.MODEL, Kind.CHECKPOINT)


def whole_bases(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """A checkpoint without its text encoder, VAE or tokenizer is an operand, not a base. Each is told once."""
    told: dict[str, None] = {}
    for node in graph.nodes():
        for position, given in enumerate(node.inputs):
            if given.type.kind not in _MODELS or node.op in INFIXES or (node.op == "fuse" and position > 0):
                continue  # an operand may be part of a model
            base = base_node(given)
            if base is not given and given.op == "fuse":
                continue  # told where the base was fused
            if base.op != "expert" or not base.expert.lacks or base.expert.id in told:
                continue
            told[base.expert.id] = None
            spot = place(node, position)
            yield errors.compatibility.IncompleteBase(
                spot.span, base.expert.id, base.expert.lacks, spot.trail
            )
