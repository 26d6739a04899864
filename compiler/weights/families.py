"""What an expert is, told from its tensors' names and shapes and from a diffusers folder's configuration.

A file's name and its embedded claims are never asked for what shapes can show. Where neither names nor shapes
decide, the answer is None, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mosaic.compiler.types import Family, Kind, Prediction
from mosaic.compiler.weights import autoencoders, embeddings, ldm
from mosaic.compiler.weights.adapter_keys import algorithm
from mosaic.compiler.weights.names import Config, Shapes, has_any, inner_names

_EMPTY: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True)
class Identity:
    """What one safetensors file is.

    `layout` says how its tensors are named: `ldm` (a whole model in the original layout), `emitted` (a whole model
    in diffusers' names with the component in front, as mosaic writes one), `diffusers` (one component), or empty.
    """

    kind: Kind | None
    family: str | None = None
    prediction: str | None = None
    layout: str = ""


def identify(shapes: Shapes, metadata: Mapping[str, str] = _EMPTY) -> Identity:
    """What a single file is. `kind` is None where its tensors are of no known kind of expert."""
    if algorithm(shapes) != "unknown":
        return Identity(Kind.LORA, lora_family(shapes))
    if has_any(shapes, "controlnet_cond_embedding.", "control_model.", "input_hint_block."):
        return Identity(Kind.CONTROL, _unet_family(inner_names(shapes, ("control_model.",))))
    if ldm.is_ldm(shapes):
        family = _single_file_family(shapes)
        return Identity(Kind.CHECKPOINT, family, prediction(family, shapes=shapes, metadata=metadata), "ldm")
    if _is_unet(inner_names(shapes, ("unet.",))):
        # Of a denoiser by itself, what it predicts was said by the model that it was taken from.
        stated = prediction(None, shapes=shapes, metadata=metadata)
        layout = "emitted" if has_any(shapes, "unet.") else "diffusers"
        return Identity(Kind.CHECKPOINT, _unet_family(shapes), stated, layout)
    if has_any(shapes, *_TRANSFORMERS):
        family = _transformer_family(shapes)
        return Identity(Kind.CHECKPOINT, family, prediction(family), "")
    if autoencoders.is_vae(shapes):
        return Identity(Kind.VAE, layout="ldm" if autoencoders.vae_is_ldm(shapes) else "diffusers")
    if embeddings.vectors(shapes):
        return Identity(Kind.EMBEDDING, embeddings.embedding_family(shapes))
    return Identity(None)


_TRANSFORMERS: Final = (
    "model.diffusion_model.joint_blocks.",
    "model.diffusion_model.double_blocks.",
    "joint_blocks.",
    "double_blocks.",
    "single_transformer_blocks.",
    "transformer_blocks.0.attn.add_k_proj.",
)


def _is_unet(shapes: Shapes) -> bool:
    return (
        "conv_in.weight" in shapes and has_any(shapes, "down_blocks.") and has_any(shapes, "time_embedding.")
    )


def _transformer_family(shapes: Shapes) -> str | None:
    inner = inner_names(shapes, (ldm.UNET,))
    if has_any(inner, "joint_blocks."):
        return Family.SD3
    if has_any(inner, "double_blocks.", "single_transformer_blocks."):
        return Family.FLUX
    return Family.SD3 if has_any(inner, "pos_embed.proj.") else None


def _single_file_family(shapes: Shapes) -> str | None:
    if has_any(shapes, *_TRANSFORMERS):
        return _transformer_family(shapes)
    names = ldm.to_diffusers(shapes)
    return _unet_family({names[name]: shapes[name] for name in names if names[name].startswith("unet.")})


_CROSS_KEY: Final = r"(?:^|\.)attn2\.to_k\.weight$"


def _unet_family(shapes: Shapes) -> str | None:
    """The family of a UNet, in diffusers' names with or without `unet.`.

    Stable Diffusion 1 conditions on one CLIP encoder (width 768, smaller in tiny members); 2 on OpenCLIP
    (1024); XL on two encoders (2048 together) and, like its refiner (1280), on size and crop through a
    second embedding.
    """
    inner = inner_names(shapes, ("unet.",))
    widths = sorted(
        {shape[1] for name, shape in inner.items() if re.search(_CROSS_KEY, name) and len(shape) == 2}
    )
    if len(widths) != 1:
        return None
    (width,) = widths
    if has_any(inner, "add_embedding.", "label_emb."):
        return {2048: Family.SDXL, 1280: Family.SDXL_REFINER}.get(width)
    return Family.SD2 if width == 1024 else Family.SD1


def unet_channels(shapes: Shapes) -> int | None:
    """How many channels a UNet reads (4 for a plain Stable Diffusion; 9 and 8 are inpainting and editing)."""
    for name in ("unet.conv_in.weight", "conv_in.weight", f"{ldm.UNET}input_blocks.0.0.weight"):
        if len(shape := shapes.get(name, ())) == 4:
            return shape[1]
    return None


def prediction(
    family: str | None,
    *,
    scheduler: Config | None = None,
    shapes: Iterable[str] = (),
    metadata: Mapping[str, str] = _EMPTY,
) -> str | None:
    """What a denoiser predicts: stated by its scheduler, marked in its file, or fixed by its family.

    Stable Diffusion 2 has members of both kinds that headers do not tell apart: None unless stated.
    """
    if scheduler is not None:
        if "FlowMatch" in str(scheduler.get("_class_name", "")):
            return Prediction.FLOW
        # diffusers leaves out what equals its default, which is epsilon.
        return _STATED.get(str(scheduler.get("prediction_type", "epsilon")))
    if "v_pred" in shapes:
        return Prediction.V
    stated = metadata.get("modelspec.prediction_type")
    if stated is not None:
        return _STATED.get(stated)
    return _USUAL.get(family or "")


_STATED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "epsilon": Prediction.EPSILON,
        "v_prediction": Prediction.V,
        "v": Prediction.V,
        "flow_prediction": Prediction.FLOW,
    }
)
_USUAL: Final[Mapping[str, str]] = MappingProxyType(
    {
        Family.SD1: Prediction.EPSILON,
        Family.SDXL: Prediction.EPSILON,
        Family.SDXL_REFINER: Prediction.EPSILON,
        Family.SD3: Prediction.FLOW,
        Family.FLUX: Prediction.FLOW,
    }
)


def native_size(
    family: str | None, predicts: str | None, unet: Config | None = None, multiple: int = 8
) -> tuple[int, int] | None:
    """Width and height in pixels that a denoiser was trained on, as its configuration or its family says.

    `multiple` is how many pixels one latent stands for, along one side.
    """
    side = unet.get("sample_size") if unet is not None else None
    if type(side) is int and side > 0:
        return side * multiple, side * multiple
    if family == Family.SD2:
        return (768, 768) if predicts == Prediction.V else None
    pixels = {Family.SD1: 512, Family.SDXL: 1024, Family.SDXL_REFINER: 1024, Family.SD3: 1024}
    known = pixels.get(Family(family), 1024) if family else None
    return (known, known) if known else None


_CROSS_DOWN: Final = (
    r"attn2[._](?:processor\.)?to_k(?:[._]lora)?[._]"
    r"(?:lora_)?(?:linear_layer\.)?(?:down|A)(?:\.[^.]+)?\.weight$"
)
_DEEP_STAGE: Final = r"transformer_blocks[._]([2-9]|\d\d)[._]attn"
_WIDTHS: Final[Mapping[int, str]] = MappingProxyType(
    {768: Family.SD1, 1024: Family.SD2, 2048: Family.SDXL, 1280: Family.SDXL_REFINER}
)


_FLUX_BLOCKS: Final = (
    "lora_unet_double_blocks_",
    "lora_unet_single_blocks_",
    "transformer.single_transformer_blocks.",
)


def lora_family(shapes: Shapes) -> str | None:
    """The family that an adapter is made for, or None where its shapes leave it open.

    Told by the width of the text encoding that cross-attention reads, by stages that only one family has,
    and by the blocks of the transformer families.
    """
    if has_any(shapes, *_FLUX_BLOCKS):
        return Family.FLUX
    if has_any(shapes, "lora_unet_joint_blocks_") or any(".add_k_proj." in name for name in shapes):
        return Family.SD3
    widths = sorted(
        {shape[1] for name, shape in shapes.items() if len(shape) >= 2 and re.search(_CROSS_DOWN, name)}
    )
    if len(widths) == 1:
        return _WIDTHS.get(widths[0])
    if widths:
        return None
    if has_any(shapes, "lora_te2_", "text_encoder_2.") or any(
        re.search(_DEEP_STAGE, name) and ("down_blocks" in name or "input_blocks" in name) for name in shapes
    ):
        return Family.SDXL
    return None
