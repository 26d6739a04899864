"""The tensors of the published base models, by name and shape, without one weight.

The configurations are written down as data (they are those of the models' `config.json`); diffusers and transformers
build the modules on torch's meta device, which allocates nothing. So what a base is made of is not this file's
opinion but the libraries'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

Shape = tuple[int, ...]

_UP = {"DownBlock2D": "UpBlock2D", "CrossAttnDownBlock2D": "CrossAttnUpBlock2D"}


def _unet(blocks: str, widths: tuple[int, ...], **more: Any) -> dict[str, Any]:
    """A UNet's configuration: `blocks` has a letter a level, D plain and C with cross-attention."""
    down = tuple({"D": "DownBlock2D", "C": "CrossAttnDownBlock2D"}[letter] for letter in blocks)
    up = tuple(_UP[name] for name in reversed(down))
    given = {"down_block_types": down, "up_block_types": up, "block_out_channels": widths}
    return {"layers_per_block": 2, "in_channels": 4, "out_channels": 4, **given, **more}


_SD1 = _unet("CCCD", (320, 640, 1280, 1280), cross_attention_dim=768, attention_head_dim=8, sample_size=64)
_SD2 = _unet(
    "CCCD",
    (320, 640, 1280, 1280),
    cross_attention_dim=1024,
    attention_head_dim=(5, 10, 20, 20),
    use_linear_projection=True,
    sample_size=96,
)
_SDXL = _unet(
    "DCC",
    (320, 640, 1280),
    cross_attention_dim=2048,
    attention_head_dim=(5, 10, 20),
    transformer_layers_per_block=(1, 2, 10),
    use_linear_projection=True,
    addition_embed_type="text_time",
    addition_time_embed_dim=256,
    projection_class_embeddings_input_dim=2816,
    sample_size=128,
)
_REFINER = _unet(
    "DCCD",
    (384, 768, 1536, 1536),
    cross_attention_dim=1280,
    attention_head_dim=(6, 12, 24, 24),
    transformer_layers_per_block=4,
    use_linear_projection=True,
    addition_embed_type="text_time",
    addition_time_embed_dim=256,
    projection_class_embeddings_input_dim=2560,
    sample_size=128,
)
_SD3 = {
    "sample_size": 128, "patch_size": 2, "in_channels": 16, "num_layers": 24, "attention_head_dim": 64,
    "num_attention_heads": 24, "joint_attention_dim": 4096, "caption_projection_dim": 1536,
    "pooled_projection_dim": 2048, "out_channels": 16, "pos_embed_max_size": 192,
}  # fmt: skip
_FLUX = {
    "patch_size": 1, "in_channels": 64, "num_layers": 19, "num_single_layers": 38, "attention_head_dim": 128,
    "num_attention_heads": 24, "joint_attention_dim": 4096, "pooled_projection_dim": 768, "guidance_embeds": True,
}  # fmt: skip


def _clip(width: int, layers: int, heads: int, act: str) -> dict[str, Any]:
    sizes = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": layers}
    return {**sizes, "num_attention_heads": heads, "hidden_act": act, "projection_dim": width}


_CLIP_L = ("CLIPTextModel", _clip(768, 12, 12, "quick_gelu"))
_CLIP_L_OUT = ("CLIPTextModelWithProjection", _clip(768, 12, 12, "quick_gelu"))
_CLIP_H = ("CLIPTextModel", _clip(1024, 23, 16, "gelu"))
_CLIP_G = ("CLIPTextModelWithProjection", _clip(1280, 32, 20, "gelu"))
_T5_XXL = (
    "T5EncoderModel",
    {
        "d_model": 4096,
        "d_ff": 10240,
        "d_kv": 64,
        "num_heads": 64,
        "num_layers": 24,
        "feed_forward_proj": "gated-gelu",
        "vocab_size": 32128,
    },
)


@dataclass(frozen=True)
class Architecture:
    """A family's base: what each part is called, its class and configuration, and what it means to a plan."""

    family: str
    space: str
    prediction: str
    size: int  # native, in pixels
    parts: Mapping[str, tuple[str, Mapping[str, Any]]]
    latents: int = 4
    scaling: float = 0.18215
    variant: str | None = None

    @property
    def denoiser(self) -> str:
        """The name of its part that denoises."""
        return "transformer" if "transformer" in self.parts else "unet"


def _architecture(family: str, space: str, prediction: str, size: int, **more: Any) -> Architecture:
    scaling = {"sd1-vae": 0.18215, "sdxl-vae": 0.13025, "sd3-vae": 1.5305, "flux-vae": 0.3611}[space]
    given = {name: more.pop(name) for name in ("latents", "variant") if name in more}
    return Architecture(family, space, prediction, size, more, scaling=scaling, **given)


ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    "sd1": _architecture(
        "sd1", "sd1-vae", "epsilon", 512, unet=("UNet2DConditionModel", _SD1), text_encoder=_CLIP_L
    ),
    "sd1-inpaint": _architecture(
        "sd1", "sd1-vae", "epsilon", 512, variant="inpaint",
        unet=("UNet2DConditionModel", {**_SD1, "in_channels": 9}), text_encoder=_CLIP_L,
    ),
    "sd2": _architecture(
        "sd2", "sd1-vae", "v", 768, unet=("UNet2DConditionModel", _SD2), text_encoder=_CLIP_H
    ),
    "sdxl": _architecture(
        "sdxl", "sdxl-vae", "epsilon", 1024,
        unet=("UNet2DConditionModel", _SDXL), text_encoder=_CLIP_L, text_encoder_2=_CLIP_G,
    ),
    "sdxl-refiner": _architecture(
        "sdxl-refiner", "sdxl-vae", "epsilon", 1024,
        unet=("UNet2DConditionModel", _REFINER), text_encoder_2=_CLIP_G,
    ),
    "sd3": _architecture(
        "sd3", "sd3-vae", "flow", 1024, latents=16,
        transformer=("SD3Transformer2DModel", _SD3),
        text_encoder=_CLIP_L_OUT, text_encoder_2=_CLIP_G, text_encoder_3=_T5_XXL,
    ),
    "flux": _architecture(
        "flux", "flux-vae", "flow", 1024, latents=16,
        transformer=("FluxTransformer2DModel", _FLUX), text_encoder=_CLIP_L, text_encoder_2=_T5_XXL,
    ),
}  # fmt: skip
FAMILIES: Final = ("sd1", "sd2", "sdxl", "sdxl-refiner", "sd3", "flux")


@cache
def tensors(name: str, part: str) -> Mapping[str, Shape]:
    """The tensors of one part of an architecture: a denoiser, a text encoder or "vae"."""
    architecture = ARCHITECTURES[name]
    if part == "vae":
        return _vae(architecture.latents)
    kind, config = architecture.parts[part]
    return _built(kind, tuple(config.items()))


@cache
def modules(name: str, part: str) -> Mapping[str, Shape]:
    """The linear layers and convolutions of a part, name without `.weight` to shape: what an adapter can change."""
    return {
        module.removesuffix(".weight"): shape
        for module, shape in tensors(name, part).items()
        if module.endswith(".weight") and len(shape) in (2, 4) and "embedding.weight" not in module
    }


@cache
def _built(kind: str, config: tuple[tuple[str, Any], ...]) -> Mapping[str, Shape]:
    import diffusers
    import torch
    import transformers

    given = dict(config)
    with torch.device("meta"):
        if kind.startswith("CLIP"):
            built = getattr(transformers, kind)(transformers.CLIPTextConfig(**given))
        elif kind.startswith("T5"):
            built = transformers.T5EncoderModel(transformers.T5Config(**given))
        else:
            built = getattr(diffusers, kind)(**given)
    return _shapes(built)


@cache
def _vae(latents: int) -> Mapping[str, Shape]:
    import diffusers
    import torch

    quantised = latents == 4
    with torch.device("meta"):
        built = diffusers.AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            latent_channels=latents,
            use_quant_conv=quantised,
            use_post_quant_conv=quantised,
        )
    return _shapes(built)


def _shapes(module: Any) -> Mapping[str, Shape]:
    # Tied weights are one tensor in a file: T5's input embedding is its `shared`.
    kept: dict[int, None] = {}
    found: dict[str, Shape] = {}
    for name, tensor in module.state_dict(keep_vars=True).items():
        if id(tensor) not in kept:
            kept[id(tensor)] = None
            found[name] = tuple(tensor.shape)
    return found
