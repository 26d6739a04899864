"""What an expert is, told from its tensors' names and shapes and from a diffusers folder's configuration.

A file's name and its embedded claims are never asked for what shapes can show. Where neither names nor shapes
decide, the answer is None, never a guess.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from mosaic.compiler.types import Family, Kind, Prediction
from mosaic.compiler.weights import autoencoders, denoisers, embeddings, ldm
from mosaic.compiler.weights.adapters import Adapter, scan
from mosaic.compiler.weights.header import Header, Layout
from mosaic.compiler.weights.names import Config, Shapes, has_any, inner_names

_EMPTY: Final[Mapping[str, str]] = MappingProxyType({})

EMITTED: Final = "mosaic.config.unet"
"""The key in a file's metadata by which a model that a plan emitted is told."""


@dataclass(frozen=True)
class Identity:
    """What one safetensors file is.

    `layout` says how its tensors are named: `ldm` (a whole model in the original layout), `emitted` (the same with its
    configurations in the metadata, as mosaic writes one), `prefixed` (diffusers' names with the component in front),
    `diffusers` (one component), or empty.
    """

    kind: Kind | None
    family: str | None = None
    prediction: str | None = None
    layout: str = ""
    adapter: Adapter | None = None


def identify(shapes: Shapes, metadata: Mapping[str, str] = _EMPTY) -> Identity:
    """What a single file is. `kind` is None where its tensors are of no known kind of expert."""
    if is_control(shapes):
        # A control LoRA calls its factors `down` and `up`; a ControlNet's file must not pass for an adapter.
        return Identity(Kind.CONTROL, control_family(shapes))
    adapter = scan(shapes)
    if adapter.algorithm:
        return Identity(Kind.LORA, adapter.family, adapter=adapter)
    if ldm.is_ldm(shapes):
        family = _single_file_family(shapes)
        layout = "emitted" if EMITTED in metadata else "ldm"
        return Identity(Kind.CHECKPOINT, family, prediction(family, shapes=shapes, metadata=metadata), layout)
    if denoisers.is_unet(inner_names(shapes, ("unet.",))):
        # Of a denoiser by itself, what it predicts was said by the model that it was taken from.
        stated = prediction(None, shapes=shapes, metadata=metadata)
        layout = "prefixed" if has_any(shapes, "unet.") else "diffusers"
        return Identity(Kind.CHECKPOINT, denoisers.unet_family(shapes), stated, layout)
    if denoisers.is_transformer(shapes):
        family = denoisers.transformer_family(shapes)
        return Identity(Kind.CHECKPOINT, family, prediction(family), "")
    if autoencoders.is_vae(shapes):
        return Identity(Kind.VAE, layout="ldm" if autoencoders.vae_is_ldm(shapes) else "diffusers")
    if embeddings.vectors(shapes):
        return Identity(Kind.EMBEDDING, embeddings.embedding_family(shapes))
    return Identity(None)


@lru_cache(maxsize=64)
def _of_layout(layout: Layout) -> Identity:
    return identify(layout.shapes)


def identify_header(header: Header) -> Identity:
    """What a single file is, told by its header. What follows from its layout alone is remembered."""
    known = _of_layout(header.layout)
    return known if known.kind is not Kind.CHECKPOINT else identify(header.shapes, header.metadata)


_CONTROLS: Final = (
    "controlnet_cond_embedding.",
    "controlnet_blocks.",
    "controlnet_x_embedder.",
    "control_model.",
    "input_hint_block.",
)


def is_control(shapes: Shapes) -> bool:
    """Whether tensors are those of a ControlNet (Zhang et al. 2023, arXiv:2302.05543) or a control LoRA."""
    return "lora_controlnet" in shapes or has_any(shapes, *_CONTROLS)


def control_family(shapes: Shapes) -> str | None:
    """The family that a ControlNet steers, told like that of the denoiser it copies."""
    if len(shape := shapes.get("controlnet_x_embedder.weight", ())) == 2:
        return Family.FLUX if shape[0] == _FLUX_WIDTH else None
    if has_any(shapes, "pos_embed_input.", "controlnet_blocks.") and has_any(shapes, "transformer_blocks."):
        return Family.SD3 if len(shapes.get("pos_embed.proj.weight", ())) == 4 else None
    return denoisers.unet_family(shapes)


_FLUX_WIDTH: Final = 3072


def _single_file_family(shapes: Shapes) -> str | None:
    if denoisers.is_transformer(shapes):
        return denoisers.transformer_family(shapes)
    return denoisers.unet_family(shapes)


def prediction(
    family: str | None,
    *,
    scheduler: Config | None = None,
    shapes: Container[str] = (),
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
    if "edm_mean" in shapes or "edm_vpred.sigma_max" in shapes:
        return EDM
    if "v_pred" in shapes:
        return Prediction.V
    stated = metadata.get("modelspec.prediction_type")
    if stated is not None:
        return _STATED.get(stated)
    return _USUAL.get(family or "")


EDM: Final = "edm"
"""What denoisers in the formulation of Karras et al. 2022 (arXiv:2206.00364) predict: Playground 2.5, CosXL."""


def zero_snr(*, scheduler: Config | None = None, shapes: Container[str] = ()) -> bool | None:
    """Whether the noise schedule ends in pure noise (Lin et al. 2023, arXiv:2305.08891): as a marker tensor or the
    scheduler's configuration says, None where neither does."""
    if "ztsnr" in shapes:
        return True
    stated = scheduler.get("rescale_betas_zero_snr") if scheduler else None
    return stated if isinstance(stated, bool) else None


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


def usual_prediction(family: str | None) -> str | None:
    """What a family's denoisers predict where nothing says otherwise."""
    return _USUAL.get(family or "")


def stated_prediction(text: str) -> str | None:
    """What a metadata's word for a prediction means."""
    return _STATED.get(text.strip().lower())


def lora_family(shapes: Shapes) -> str | None:
    """The family that an adapter is made for, or None where its tensors leave it open."""
    return scan(shapes).family
