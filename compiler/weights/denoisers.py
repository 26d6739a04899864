"""Denoisers told by their tensors: the family of a UNet or transformer, and what it reads beside its latents."""

from __future__ import annotations

import re
from typing import Final

from mosaic.compiler.types import Family
from mosaic.compiler.weights import ldm
from mosaic.compiler.weights.names import Shapes, has_any, inner_names

_TRANSFORMERS: Final = (
    "joint_blocks.",
    "double_blocks.",
    "single_transformer_blocks.",
    "transformer_blocks.0.attn.add_k_proj.",
)
_PREFIXES: Final = (ldm.UNET, "transformer.")


def is_unet(shapes: Shapes) -> bool:
    """Whether tensors are those of a UNet in diffusers' names."""
    return (
        "conv_in.weight" in shapes and has_any(shapes, "down_blocks.") and has_any(shapes, "time_embedding.")
    )


def is_transformer(shapes: Shapes) -> bool:
    """Whether tensors are those of a diffusion transformer with joint attention, with or without a prefix."""
    return has_any(shapes, *(prefix + name for prefix in ("", *_PREFIXES) for name in _TRANSFORMERS))


_CROSS_KEY: Final = re.compile(r"(?:^|\.)attn2\.to_k(?:\.down)?\.weight$|(?:^|\.)attn2\.to_k\.down$")
_SIZED: Final = ("add_embedding.", "label_emb.")
_FOREIGN: Final = ("class_embedding.", "encoder_hid_proj.", "encoder_hid_proj_")
"""Kolors, upscalers and unCLIP: UNets of these shapes that read another encoding."""


def unet_family(shapes: Shapes) -> str | None:
    """The family of a UNet, in diffusers' or ldm's names with or without a prefix.

    Stable Diffusion 1 conditions on one CLIP encoder (width 768, smaller in tiny members); 2 on OpenCLIP
    (1024); XL on two encoders (2048 together) and, like its refiner (1280), on size and crop through a
    second embedding.
    """
    inner = inner_names(shapes, ("unet.", "control_model.", ldm.UNET))
    widths = sorted(
        {shape[1] for name, shape in inner.items() if len(shape) == 2 and _CROSS_KEY.search(name)}
    )
    if len(widths) != 1 or has_any(inner, *_FOREIGN):
        return None
    (width,) = widths
    if has_any(inner, *_SIZED):
        return {2048: Family.SDXL, 1280: Family.SDXL_REFINER}.get(width)
    if width == 1024:
        return Family.SD2
    return Family.SD1 if width <= 768 else None


def transformer_family(shapes: Shapes) -> str | None:
    """Stable Diffusion 3 or Flux, or None for another transformer of joint attention.

    Both spellings are met: the authors' (`joint_blocks`, `double_blocks`) and diffusers'.
    """
    inner = inner_names(shapes, _PREFIXES)
    if (
        "joint_blocks.0.context_block.attn.qkv.weight" in inner
        and len(inner.get("x_embedder.proj.weight", ())) == 4
    ):
        return Family.SD3
    if has_any(inner, *_OTHERS):
        return None
    if inner.keys() >= _FLUX and len(inner["img_in.weight"]) == 2:
        return Family.FLUX
    if inner.keys() >= _FLUX_DIFFUSERS:
        return Family.FLUX
    if inner.keys() >= _SD3_DIFFUSERS and not has_any(inner, "single_transformer_blocks."):
        return Family.SD3
    return None


_OTHERS: Final = (
    "distilled_guidance_layer.",
    "joint_transformer_blocks.",
    "txt_in.individual_token_refiner.",
)
"""Chroma, AuraFlow, HunyuanVideo."""
_FLUX: Final = frozenset(
    {
        "img_in.weight",
        "txt_in.weight",
        "vector_in.in_layer.weight",
        "double_blocks.0.img_mod.lin.weight",
        "single_blocks.0.modulation.lin.weight",
    }
)
_FLUX_DIFFUSERS: Final = frozenset(
    {
        "x_embedder.weight",
        "context_embedder.weight",
        "time_text_embed.text_embedder.linear_1.weight",
        "transformer_blocks.0.norm1_context.linear.weight",
        "single_transformer_blocks.0.proj_mlp.weight",
    }
)
_SD3_DIFFUSERS: Final = frozenset(
    {
        "pos_embed.proj.weight",
        "context_embedder.weight",
        "time_text_embed.text_embedder.linear_1.weight",
        "transformer_blocks.0.attn.add_k_proj.weight",
        "transformer_blocks.0.norm1_context.linear.weight",
    }
)
_PATCH: Final = 4
"""Latent pixels in a token of Flux: two by two."""


def channels(shapes: Shapes) -> tuple[int | None, int | None]:
    """How many channels a denoiser reads, and how many its latents have; each None where tensors do not show it.

    A plain UNet of Stable Diffusion reads 4; inpainting reads 9, editing 8 and depth 5 where the output has 4.
    """
    for start, end in _UNET_ENDS:
        if len(reads := shapes.get(start, ())) == 4:
            gives = shapes.get(end, ())
            return reads[1], gives[0] if len(gives) == 4 else None
    for prefix in ("", *_PREFIXES):
        for start, end in _FLUX_ENDS:
            reads, gives = shapes.get(prefix + start, ()), shapes.get(prefix + end, ())
            if len(reads) == 2 and len(gives) == 2:
                return reads[1] // _PATCH, gives[0] // _PATCH
        for start in ("x_embedder.proj.weight", "pos_embed.proj.weight"):
            if len(reads := shapes.get(prefix + start, ())) == 4:
                gives = shapes.get(f"{prefix}{_SD3_END[start]}", ())
                return reads[1], gives[0] // _PATCH if gives else None
    return None, None


_UNET_ENDS: Final = (
    ("unet.conv_in.weight", "unet.conv_out.weight"),
    ("conv_in.weight", "conv_out.weight"),
    (f"{ldm.UNET}input_blocks.0.0.weight", f"{ldm.UNET}out.2.weight"),
)
_FLUX_ENDS: Final = (
    ("img_in.weight", "final_layer.linear.weight"),
    ("x_embedder.weight", "proj_out.weight"),
)
_SD3_END: Final = {
    "x_embedder.proj.weight": "final_layer.linear.weight",
    "pos_embed.proj.weight": "proj_out.weight",
}


def variant(reads: int, latents: int) -> str | None:
    """What a denoiser that reads more than its latents is made for.

    Inpainting reads the masked picture's latents and the mask beside its own (9 of 4; Flux Fill 96 of 16, its mask in
    full resolution); editing and control read the latents of one other picture (8 of 4, 32 of 16).
    """
    if reads == latents:
        return None
    if reads == 2 * latents:
        return "edit"
    return "inpaint" if reads in (2 * latents + 1, 2 * latents + 64) else "other"
