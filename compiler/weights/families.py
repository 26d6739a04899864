"""What an expert is, told from the names and shapes of its tensors and from a diffusers folder's
configuration.

A file's name and its embedded claims are never asked for what shapes can show. Where neither names nor shapes
decide, the answer is None, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from mosaic.compiler.types import Family, Kind, Prediction
from mosaic.compiler.weights import ldm
from mosaic.compiler.weights.adapter_keys import Shape, algorithm

Shapes = Mapping[str, Shape]
Config = Mapping[str, Any]

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
    if _has(shapes, "controlnet_cond_embedding.", "control_model.", "input_hint_block."):
        return Identity(Kind.CONTROL, _unet_family(_inner(shapes, ("control_model.",))))
    if ldm.is_ldm(shapes):
        family = _single_file_family(shapes)
        return Identity(Kind.CHECKPOINT, family, prediction(family, shapes=shapes, metadata=metadata), "ldm")
    if _is_unet(_inner(shapes, ("unet.",))):
        # Of a denoiser by itself, what it predicts was said by the model that it was taken from.
        stated = prediction(None, shapes=shapes, metadata=metadata)
        layout = "emitted" if _has(shapes, "unet.") else "diffusers"
        return Identity(Kind.CHECKPOINT, _unet_family(shapes), stated, layout)
    if _has(shapes, *_TRANSFORMERS):
        family = _transformer_family(shapes)
        return Identity(Kind.CHECKPOINT, family, prediction(family), "")
    if _is_vae(shapes):
        return Identity(Kind.VAE, layout="ldm" if vae_is_ldm(shapes) else "diffusers")
    if vectors(shapes):
        return Identity(Kind.EMBEDDING, embedding_family(shapes))
    return Identity(None)


def _has(shapes: Iterable[str], *prefixes: str) -> bool:
    return any(name.startswith(prefixes) for name in shapes)


def _inner(shapes: Shapes, prefixes: tuple[str, ...]) -> dict[str, Shape]:
    """The tensors under one of the prefixes without it, or all where none is under one."""
    for prefix in prefixes:
        found = {
            name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)
        }
        if found:
            return found
    return dict(shapes)


# --- denoisers
# ------------------------------------------------------------------------------------------------


_TRANSFORMERS: Final = (
    "model.diffusion_model.joint_blocks.",
    "model.diffusion_model.double_blocks.",
    "joint_blocks.",
    "double_blocks.",
    "single_transformer_blocks.",
    "transformer_blocks.0.attn.add_k_proj.",
)


def _is_unet(shapes: Shapes) -> bool:
    return "conv_in.weight" in shapes and _has(shapes, "down_blocks.") and _has(shapes, "time_embedding.")


def _transformer_family(shapes: Shapes) -> str | None:
    inner = _inner(shapes, (ldm.UNET,))
    if _has(inner, "joint_blocks."):
        return Family.SD3
    if _has(inner, "double_blocks.", "single_transformer_blocks."):
        return Family.FLUX
    return Family.SD3 if _has(inner, "pos_embed.proj.") else None


def _single_file_family(shapes: Shapes) -> str | None:
    if _has(shapes, *_TRANSFORMERS):
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
    inner = _inner(shapes, ("unet.",))
    widths = sorted(
        {shape[1] for name, shape in inner.items() if re.search(_CROSS_KEY, name) and len(shape) == 2}
    )
    if len(widths) != 1:
        return None
    (width,) = widths
    if _has(inner, "add_embedding.", "label_emb."):
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


# --- adapters
# -------------------------------------------------------------------------------------------------


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
    if _has(shapes, *_FLUX_BLOCKS):
        return Family.FLUX
    if _has(shapes, "lora_unet_joint_blocks_") or any(".add_k_proj." in name for name in shapes):
        return Family.SD3
    widths = sorted(
        {shape[1] for name, shape in shapes.items() if len(shape) >= 2 and re.search(_CROSS_DOWN, name)}
    )
    if len(widths) == 1:
        return _WIDTHS.get(widths[0])
    if widths:
        return None
    if _has(shapes, "lora_te2_", "text_encoder_2.") or any(
        re.search(_DEEP_STAGE, name) and ("down_blocks" in name or "input_blocks" in name) for name in shapes
    ):
        return Family.SDXL
    return None


# --- embeddings
# -----------------------------------------------------------------------------------------------


def vectors(shapes: Shapes) -> dict[str, Shape]:
    """The vectors of a textual inversion (Gal et al. 2022, arXiv:2208.01618): name to (count, width).

    Three forms are met: `emb_params` (the token is the file's name), one tensor named by its token, and
    `clip_l` with `clip_g` for XL. Empty where the file is no textual inversion.
    """
    if not 1 <= len(shapes) <= 2:
        return {}
    found = {name: shape if len(shape) == 2 else (1, *shape) for name, shape in shapes.items()}
    if any(len(shape) != 2 or not 0 < shape[0] <= _MOST_VECTORS or shape[1] == 0 for shape in found.values()):
        return {}
    if len(found) == 2 and set(found) != _TWO_ENCODERS:
        return {}
    return {} if any(name.endswith((".weight", ".bias")) for name in found) else found


_MOST_VECTORS: Final = 75
_TWO_ENCODERS: Final = {"clip_l", "clip_g"}


def embedding_family(shapes: Shapes) -> str | None:
    """The family whose text encoder has this width, or None where none of the known ones has."""
    found = vectors(shapes)
    if len(found) == 2:
        return Family.SDXL
    (width,) = {shape[1] for shape in found.values()}
    return {768: Family.SD1, 1024: Family.SD2}.get(width)


def embedding_token(shapes: Shapes, stem: str) -> str:
    """The word that stands for a textual inversion in a prompt: the tensor's name, or the file's where it
    has none.
    """
    (name, *more) = vectors(shapes)
    return stem if more or name in ("emb_params", "*") else name


# --- autoencoders
# ---------------------------------------------------------------------------------------------


def _is_vae(shapes: Shapes) -> bool:
    inner = _inner(shapes, (ldm.VAE, "vae."))
    return "decoder.conv_in.weight" in inner and "decoder.conv_out.weight" in inner


def vae_is_ldm(shapes: Iterable[str]) -> bool:
    """Whether a VAE's names are those of the original layout."""
    return _has((name.removeprefix(ldm.VAE) for name in shapes), "decoder.up.", "decoder.mid.block_1")


@dataclass(frozen=True)
class VaeFacts:
    """The shape of an autoencoder. `widths` are its block widths from the finest; `scaling` may be
    unstated.
    """

    latents: int
    widths: tuple[int, ...]
    scaling: float | None = None

    @property
    def multiple(self) -> int:
        """How many pixels one latent stands for, along one side."""
        return int(2 ** max(len(self.widths) - 1, 0))


def vae_of_config(config: Config) -> VaeFacts | None:
    """The facts that an AutoencoderKL's `config.json` states, or None where it states none."""
    widths, latents, scaling = (
        config.get("block_out_channels"),
        config.get("latent_channels", 4),
        config.get("scaling_factor", 0.18215),
    )
    if not isinstance(widths, list) or not widths or not all(type(width) is int for width in widths):
        return None
    if type(latents) is not int or isinstance(scaling, bool) or not isinstance(scaling, int | float):
        return None
    return VaeFacts(latents, tuple(widths), float(scaling))


def vae_of_shapes(shapes: Shapes) -> VaeFacts | None:
    """The facts that a VAE's tensors show, in either layout, with or without a prefix."""
    inner = _inner(shapes, (ldm.VAE, "vae."))
    entry = inner.get("decoder.conv_in.weight", ())
    if len(entry) != 4:
        return None
    widths: dict[int, int] = {}
    for name, shape in inner.items():
        if (found := re.match(_ENCODER_WIDTH, name)) and len(shape) == 4:
            widths[int(found[1])] = shape[0]
    return VaeFacts(entry[1], tuple(widths[level] for level in sorted(widths)))


_ENCODER_WIDTH: Final = (
    r"encoder\.(?:down_blocks\.(?=\d{1,3}\.resnets\.0)|down\.(?=\d{1,3}\.block\.0))"
    r"(\d{1,3})\..*\.conv2\.weight$"
)
_STANDARD_WIDTHS: Final = (128, 256, 512, 512)
_BY_SCALING: Final = (
    (0.18215, 4, "sd1-vae"),
    (0.13025, 4, "sdxl-vae"),
    (1.5305, 16, "sd3-vae"),
    (0.3611, 16, "flux-vae"),
)
_BY_FAMILY: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        Family.SD1: (4, "sd1-vae"),
        Family.SD2: (4, "sd1-vae"),
        Family.SDXL: (4, "sdxl-vae"),
        Family.SDXL_REFINER: (4, "sdxl-vae"),
        Family.SD3: (16, "sd3-vae"),
        Family.FLUX: (16, "flux-vae"),
    }
)


def latent_space(facts: VaeFacts, family: str | None, sha256: str) -> str | None:
    """The name of the space that a VAE's latents live in.

    A VAE of the standard shape belongs to the published space that its scaling factor, or else its family,
    says; finetunes of the decoder stay in it. Any other VAE is a space of its own, named by its digest,
    because two VAEs of the same shape that were trained apart do not understand each other.
    """
    if facts.widths == _STANDARD_WIDTHS:
        for scaling, latents, space in _BY_SCALING:
            if facts.scaling == scaling and facts.latents == latents:
                return space
        latents, space = _BY_FAMILY.get(family or "", (0, ""))
        if facts.scaling is None and facts.latents == latents:
            return space
        if facts.scaling is None and family is None:
            return None
    return f"vae-{sha256.removeprefix('sha256:')[:8]}"
