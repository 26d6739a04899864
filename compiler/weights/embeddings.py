"""Textual inversions (Gal et al. 2022, arXiv:2208.01618): learned words, told by their tensors."""

from __future__ import annotations

from typing import Final

from mosaic.compiler.types import Family
from mosaic.compiler.weights.names import Shape, Shapes


def vectors(shapes: Shapes) -> dict[str, Shape]:
    """The vectors of a textual inversion (Gal et al. 2022, arXiv:2208.01618): name to (count, width).

    Three forms are met: `emb_params` (the token is the file's name), one tensor named by its token, and
    `clip_l` with `clip_g` for XL (and `t5xxl` for Stable Diffusion 3). Empty where the file is no textual inversion.
    """
    if not 1 <= len(shapes) <= 3:
        return {}
    found = {name: shape if len(shape) == 2 else (1, *shape) for name, shape in shapes.items()}
    if any(len(shape) != 2 or not 0 < shape[0] <= _MOST_VECTORS or shape[1] == 0 for shape in found.values()):
        return {}
    if len(found) > 1 and found.keys() not in (_TWO_ENCODERS, _THREE_ENCODERS):
        return {}
    return {} if any(name.endswith((".weight", ".bias")) for name in found) else found


_MOST_VECTORS: Final = 75
_TWO_ENCODERS: Final = {"clip_l", "clip_g"}
_THREE_ENCODERS: Final = {"clip_l", "clip_g", "t5xxl"}


def embedding_family(shapes: Shapes) -> str | None:
    """The family whose text encoder has this width, or None where none of the known ones has.

    A single vector of 1280 fits the second encoder of XL as well as its refiner's only one: None.
    """
    found = vectors(shapes)
    if len(found) > 1:
        widths = {name: shape[1] for name, shape in found.items()}
        if widths["clip_l"] != 768 or widths["clip_g"] != 1280:
            return None
        return Family.SD3 if "t5xxl" in found else Family.SDXL
    (width,) = {shape[1] for shape in found.values()}
    return {768: Family.SD1, 1024: Family.SD2}.get(width)


def embedding_token(shapes: Shapes, stem: str) -> str:
    """The word that stands for a textual inversion in a prompt: the tensor's name, or the file's where it
    has none.
    """
    (name, *more) = vectors(shapes)
    return stem if more or name in ("emb_params", "*") else name


def vector_count(shapes: Shapes) -> int:
    """How many vectors a token stands for: those of one encoder."""
    return max((shape[0] for shape in vectors(shapes).values()), default=0)
