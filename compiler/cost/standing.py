"""Where latents stand: how large they are, and how far their runs have come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from mosaic.compiler.facts import FileFact
from mosaic.compiler.ir.evaluate import constant, number
from mosaic.compiler.ir.graph import Node
from mosaic.compiler.steps import steps_taken, steps_until

_LATENT_AT = {"denoise_rest": 1, "denoise_again": 1, "align_latent": 0, "decode_latent": 0, "encode_image": 0}
"""Which input of an operation has the picture or latent that it goes on with."""


@dataclass(frozen=True)
class Standing:
    """A latent of so many picture pixels, before step `position` of a run of `total`."""

    width: int
    height: int
    position: int = 0
    total: int = 0


def taken(node: Node, before: Standing) -> range:
    """The steps that a denoising operation takes, of a latent that stands as `before`."""
    match node.op:
        case "denoise":
            return range(steps_until(_number(node.inputs[8]), int(_number(node.inputs[3]))))
        case "denoise_rest":
            end = steps_until(_number(node.inputs[6]), before.total)
            if node.inputs[5].op != "default":
                end = min(end, before.position + int(_number(node.inputs[5])))
            return range(before.position, max(end, before.position))
        case _:
            total = int(_number(node.inputs[5]))
            return range(total - steps_taken(_number(node.inputs[4]), total), total)


def standing(node: Node, before: Standing) -> Standing:
    """How what an operation gives stands."""
    match node.op:
        case "load_image":
            pixels = node.facts.pixels if isinstance(node.facts, FileFact) else None
            return Standing(*(pixels or (0, 0)))
        case "denoise":
            width, height = cast(tuple[int, int], constant(node.inputs[5]))
            return Standing(width, height, taken(node, before).stop, int(_number(node.inputs[3])))
        case "denoise_rest":
            return Standing(before.width, before.height, taken(node, before).stop, before.total)
        case "denoise_again":
            total = int(_number(node.inputs[5]))
            return Standing(before.width, before.height, total, total)
        case _:
            return before


def source(node: Node) -> Node | None:
    """The picture or latent that an operation goes on with."""
    at = _LATENT_AT.get(node.op)
    return None if at is None else node.inputs[at]


def _number(node: Node) -> float:
    known = number(node)
    assert known is not None, "the rules know every number of a run"
    return known
