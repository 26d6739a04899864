"""Where a value comes from: which checkpoint is under a model, which model made a latent, by which prompt.

Everything here works on surface and on core graphs alike, so that rules and passes share it.
"""

from __future__ import annotations

from dataclasses import dataclass

from mosaic.compiler.diagnostic import InternalError
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.ir.evaluate import INFIXES, operand
from mosaic.compiler.ir.graph import Node, scalar
from mosaic.compiler.ir.ops import make, over
from mosaic.compiler.types import Kind

SAMPLED = ("sample", "resume", "refine", "denoise", "denoise_rest", "denoise_again")


def base_node(model: Node) -> Node:
    """The checkpoint at the bottom of a model, as its `expert` node."""
    while model.op in ("fuse", "load_model", *INFIXES):
        model = model.inputs[0]
    return model


def base_expert(model: Node) -> ExpertFacts:
    """The facts of the checkpoint at the bottom of a model."""
    return base_node(model).expert


def operands(model: Node) -> tuple[Node, ...]:
    """Every operand fused into a model, through nested fusions, innermost fusion first."""
    found: list[Node] = []
    while model.op == "fuse":
        found[:0] = model.inputs[1:]
        model = model.inputs[0]
    return tuple(found)


def maker(latent: Node) -> Node:
    """The model whose VAE decodes a latent: the one that made it."""
    if latent.op in SAMPLED:
        return latent.inputs[0]
    if latent.op in ("encode", "encode_image", "align"):
        return latent.inputs[1]
    if latent.op == "align_latent":
        return latent.inputs[2]
    raise InternalError(f"`{latent.op}` makes no latent")


@dataclass(frozen=True)
class Conditionings:
    """What a latent was sampled by. A prompt (a text or several), a text and a number, as nodes."""

    prompt: Node
    negative: Node
    guidance: Node

    @property
    def texts(self) -> tuple[Node, ...]:
        """Every text that the model reads, the negative one last."""
        return (*(operand(part) for part in prompts(self.prompt)), self.negative)


def prompts(prompt: Node) -> tuple[Node, ...]:
    """The parts of a prompt: texts, each under its strengths, regions and windows."""
    return prompt.inputs if prompt.op == "prompts" else (prompt,)


def _said(conditioning: Node) -> Node:
    """The prompt behind a conditioning."""
    if conditioning.op == "encode_text":
        return conditioning.inputs[1]
    return make("prompts", tuple(over(part, operand(part).inputs[1]) for part in conditioning.inputs))


def conditionings(value: Node) -> Conditionings | None:
    """What a latent (or a picture decoded from it) was sampled by; None for what came from a file."""
    while value.op in ("decode", "decode_latent", "align", "align_latent"):
        value = value.inputs[0]
    match value.op:
        case "denoise":
            return Conditionings(_said(value.inputs[1]), _said(value.inputs[2]), value.inputs[4])
        case "denoise_rest":
            return Conditionings(_said(value.inputs[2]), _said(value.inputs[3]), value.inputs[4])
        case "denoise_again":
            return Conditionings(_said(value.inputs[2]), _said(value.inputs[3]), value.inputs[6])
        case "sample" | "resume" | "refine":
            return _surface(value)
        case _:
            return None


_PLACES = {"sample": (1, 2, 4, None), "resume": (2, 3, 4, 1), "refine": (3, 4, 6, 1)}


def _surface(value: Node) -> Conditionings | None:
    prompt, negative, guidance, before = _PLACES[value.op]
    inherited = conditionings(value.inputs[before]) if before is not None else None
    empty = Conditionings(scalar(Kind.TEXT, ""), scalar(Kind.TEXT, ""), value.inputs[guidance])
    given = [value.inputs[i] for i in (prompt, negative, guidance)]
    kept = inherited or empty
    parts = (kept.prompt, kept.negative, kept.guidance)
    if value.inputs[prompt].op == "default" and inherited is None:
        return None
    return Conditionings(*(g if g.op != "default" else k for g, k in zip(given, parts, strict=True)))
