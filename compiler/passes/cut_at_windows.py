"""Cut runs where a window opens or closes: what comes before and after can be shared."""

from __future__ import annotations

from itertools import pairwise

from mosaic.compiler.context import Context
from mosaic.compiler.ir.evaluate import operand
from mosaic.compiler.ir.graph import Graph, Node, absent, map_graph, scalar
from mosaic.compiler.ir.models import Operators
from mosaic.compiler.ir.narrow import Span, borders, is_open, narrowed
from mosaic.compiler.ir.ops import make, over, with_inputs
from mosaic.compiler.ir.runs import Steps, runs
from mosaic.compiler.types import Kind


def cut_at_windows(graph: Graph, context: Context) -> Graph:
    """Graphs in which a run is handed from model to model where operands come in or leave.

    `sample(fuse(base, neon during 0%..50%), …)` becomes a run by `fuse(base, neon)` until 50 % and its rest by `base`:
    plans that differ only from some step on have the steps before in common, and each model is fused for its own
    stretch. Ends are written as the steps that they are: of 20 steps `until: 52%` is 50 %.

    A run through several latent spaces stays in one piece, and so do turns that go by what the prompt means.
    """
    taken = runs(graph)

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        given = with_inputs(node, inputs)
        steps = taken.get(id(node))
        if steps is None:
            return given
        if node.op == "denoise_again":
            return _in_one(given, steps, context.operators)
        return _cut(given, steps, context.operators)

    return map_graph(graph, rewrite)


def _in_one(node: Node, steps: Steps, operators: Operators) -> Node:
    """A run that cannot be cut: what takes part in none of its steps goes all the same."""
    model = node.inputs[0]
    if is_open(model, operators):
        return node
    left = narrowed(model, Span(steps.first, steps.end), steps.total, operators)
    if left is None or left.digest == model.digest:
        return node
    prompts = (_told(node.inputs[at], model, left) for at in (2, 3))
    return with_inputs(node, (left, node.inputs[1], *prompts, *node.inputs[4:]))


def _cut(node: Node, steps: Steps, operators: Operators) -> Node:
    (model, end), *rest = _pieces(node.inputs[0], steps, operators)
    latent = _first(node, model, Steps(steps.first, end, steps.total))
    at = 1 if node.op == "denoise" else 2
    positive, negative = node.inputs[at : at + 2]
    for model, end in rest:
        told = (_told(each, node.inputs[0], model) for each in (positive, negative))
        until = _until(Steps(steps.first, end, steps.total))
        inputs = (model, latent, *told, node.inputs[4], absent(), until)
        latent = make("denoise_rest", inputs, origin=node.origin)
    return latent


def _pieces(model: Node, steps: Steps, operators: Operators) -> list[tuple[Node, int]]:
    """The models of a run one after the other, each with the step at which it ends."""
    if is_open(model, operators):
        return [(model, steps.end)]
    inside = [step for step in borders(model, steps.total, operators) if steps.first < step < steps.end]
    pieces: list[tuple[Node, int]] = []
    for first, end in pairwise((steps.first, *inside, steps.end)):
        left = narrowed(model, Span(first, end), steps.total, operators)
        if left is None:
            return [(model, steps.end)]
        if pieces and pieces[-1][0].digest == left.digest:
            pieces.pop()
        pieces.append((left, end))
    return pieces


def _first(node: Node, model: Node, steps: Steps) -> Node:
    """The same run by the model of its first stretch, until the stretch ends."""
    own = node.inputs[0]
    if node.op == "denoise":
        told = (_told(each, own, model) for each in node.inputs[1:3])
        inputs = (model, *told, *node.inputs[3:8], _until(steps, node.inputs[8]))
    else:
        told = (_told(each, own, model) for each in node.inputs[2:4])
        inputs = (model, node.inputs[1], *told, node.inputs[4], absent(), _until(steps, node.inputs[6]))
    found = make(node.op, inputs, origin=node.origin)
    return node if found.digest == node.digest else found


def _until(steps: Steps, given: Node | None = None) -> Node:
    return scalar(Kind.FRACTION, steps.until, given.origin if given else None)


def _told(conditioning: Node, model: Node, left: Node) -> Node:
    """A prompt as what is left of its model reads it."""
    if left.digest == model.digest:
        return conditioning
    if conditioning.op == "combine_prompts":
        parts = (over(part, _told(operand(part), model, left)) for part in conditioning.inputs)
        return with_inputs(conditioning, tuple(parts))
    if conditioning.inputs[0].digest != model.digest:
        return conditioning  # read by another model, which does not change here
    return with_inputs(conditioning, (left, conditioning.inputs[1]))
