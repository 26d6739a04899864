"""M403: weights that are added belong to denoisers that predict the same thing."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import operand
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.operators import Acts
from mosaic.compiler.rules.place import place


def predictions(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """A sum of an epsilon and a v denoiser's weights means nothing."""
    for node in graph.nodes():
        if node.op != "fuse" or context.operators[str(node.attribute("operator"))].acts is not Acts.WEIGHTS:
            continue
        wanted = node.inputs[0].type.prediction
        for position, given in enumerate(node.inputs[1:], 1):
            prediction = given.type.prediction
            if wanted is None or prediction is None or wanted == prediction:
                continue
            spot = place(node, position)
            name = operand(given).name
            yield errors.compatibility.PredictionMismatch(
                spot.span, name, prediction, wanted, place(node, 0).span, spot.trail
            )
