"""M409: what denoises, decodes and reads prompts is a whole model."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import INFIXES, operand
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.ir.models import MODELS, is_whole, operator_of
from mosaic.compiler.ir.origins import base_node
from mosaic.compiler.rules.place import place


def whole_bases(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """A checkpoint without its text encoder, VAE or tokenizer is an operand, not a base. Each is told once."""
    told: dict[str, None] = {}
    for node in graph.nodes():
        for position, given in enumerate(node.inputs):
            if given.type.kind not in MODELS or node.op in INFIXES:
                continue
            if (
                node.op == "fuse"
                and position > 0
                and not is_whole(given, operator_of(node, context.operators))
            ):
                continue  # what changes weights may be part of a model
            base = base_node(given)
            if operand(given).op == "fuse":
                continue  # told where the base was fused
            if base.op != "expert" or not base.expert.lacks or base.expert.id in told:
                continue
            told[base.expert.id] = None
            spot = place(node, position)
            yield errors.compatibility.IncompleteBase(
                spot.span, base.expert.id, base.expert.lacks, spot.trail
            )
