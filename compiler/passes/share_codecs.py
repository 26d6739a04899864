"""Ask for the model whose codec it is, not for what was fused into it."""

from __future__ import annotations

from mosaic.compiler.context import Context
from mosaic.compiler.ir.graph import Graph, Node, map_graph
from mosaic.compiler.ir.models import MODELS, Operators, operator_of
from mosaic.compiler.ir.ops import with_inputs
from mosaic.compiler.operators import Acts
from mosaic.compiler.types import Kind

_ENDING = {"decode_latent": (1,), "align_latent": (1,)}
"""Inputs of which the codec counts that ends a run."""
_BEGINNING = {"encode_image": (1,), "align_latent": (2,)}
"""Inputs of which the codec of the innermost base counts."""


def share_codecs(graph: Graph, context: Context) -> Graph:
    """Graphs in which pictures are decoded and encoded by the lowest model that has the same codec.

    What operators blend is no part of a codec: only a VAE that is fused in replaces it. So plans with different
    experts decode alike, and a model is not fused for the sake of its codec.
    """

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = with_inputs(node, inputs)
        given = list(node.inputs)
        for at in _ENDING.get(node.op, ()):
            given[at] = _lowest(given[at], context.operators, ends=True)
        for at in _BEGINNING.get(node.op, ()):
            given[at] = _lowest(given[at], context.operators, ends=False)
        return with_inputs(node, tuple(given))

    return map_graph(graph, rewrite)


def _lowest(model: Node, operators: Operators, *, ends: bool) -> Node:
    while model.op == "fuse" and not _has_codec(model, operators, ends=ends):
        model = model.inputs[0]
    return model


def _has_codec(fusion: Node, operators: Operators, *, ends: bool) -> bool:
    """Whether a fusion may have another codec than what it fuses into."""
    if fusion.type.space != fusion.inputs[0].type.space:
        return True
    if any(given.type.kind is Kind.VAE for given in fusion.inputs[1:]):
        return True
    if not ends or operator_of(fusion, operators).acts is not Acts.SCHEDULE:
        return False
    # A schedule through several latent spaces ends by the codec of the last one.
    models = (given for given in fusion.inputs[1:] if given.type.kind in MODELS)
    return any(given.type.space is None or given.type.space != fusion.type.space for given in models)
