"""Read a text by the model below, where what is fused on top reads it alike."""

from __future__ import annotations

from mosaic.compiler.context import Context
from mosaic.compiler.ir.graph import Graph, Node, map_graph
from mosaic.compiler.ir.ops import with_inputs
from mosaic.compiler.ir.voices import Voices


def share_encodings(graph: Graph, context: Context) -> Graph:
    """Graphs in which a text is encoded by the lowest model that reads it by the same text encoders.

    Most LoRAs change the denoiser alone: their tensors say so. Then a prompt is encoded by the checkpoint, once for all
    plans, whatever is fused into it. Words that an embedding adds, and experts that change a text encoder or bring one
    along, keep their own.
    """
    voices = Voices(context)

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = with_inputs(node, inputs)
        if node.op != "encode_text":
            return node
        return with_inputs(node, (_lowest(node.inputs[0], voices), node.inputs[1]))

    return map_graph(graph, rewrite)


def _lowest(model: Node, voices: Voices) -> Node:
    while model.op == "fuse" and voices.of(model) == voices.of(model.inputs[0]):
        model = model.inputs[0]
    return model
