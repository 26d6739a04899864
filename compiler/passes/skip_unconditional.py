"""Do not read a negative prompt that nothing asks for."""

from __future__ import annotations

from mosaic.compiler.context import Context
from mosaic.compiler.ir.evaluate import number, strength, window
from mosaic.compiler.ir.graph import Graph, Node, map_graph
from mosaic.compiler.ir.ops import with_inputs

_PLACES = {"denoise": (1, 2, 4), "denoise_rest": (2, 3, 4), "denoise_again": (2, 3, 6)}
"""Where the prompt, the negative prompt and the guidance stand."""


def skip_unconditional(graph: Graph, context: Context) -> Graph:
    """Graphs in which a run at guidance 1 has no negative prompt of its own.

    At guidance 1 the guided prediction is the prompt's own, and the denoiser is not asked without it. The prompt
    stands in for the negative one, whose encoding is then dead. A prompt that is silent at some steps keeps it: there
    the negative prompt is all that is left to say.
    """

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = with_inputs(node, inputs)
        if node.op not in _PLACES:
            return node
        positive, negative, guidance = _PLACES[node.op]
        if number(node.inputs[guidance]) != 1.0 or not _always_counts(node.inputs[positive]):
            return node
        given = list(node.inputs)
        given[negative] = given[positive]
        return with_inputs(node, tuple(given))

    return map_graph(graph, rewrite)


def _always_counts(prompt: Node) -> bool:
    """Whether a part of a prompt has its say at every step."""
    if prompt.op == "encode_text":
        return True
    return any(window(part) is None and strength(part) not in (None, 0.0) for part in prompt.inputs)
