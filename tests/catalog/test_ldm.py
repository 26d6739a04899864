"""The original single-file layout, against diffusers' own conversion of published shapes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mosaic.compiler.weights import ldm

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
utils = pytest.importorskip("diffusers.loaders.single_file_utils")

Shapes = dict[str, tuple[int, ...]]


def published_unet(**changes: object) -> Shapes:
    """Stable Diffusion 1.5's UNet, or one like it, without its weights."""
    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel(
            **{
                "block_out_channels": (320, 640, 1280, 1280),
                "cross_attention_dim": 768,
                "attention_head_dim": 8,
            }
            | changes
        )
    return {name: tuple(tensor.shape) for name, tensor in unet.state_dict().items()}


def published_vae() -> Shapes:
    with torch.device("meta"):
        vae = diffusers.AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
        )
    return {name: tuple(tensor.shape) for name, tensor in vae.state_dict().items()}


def in_ldm(unet: Shapes) -> Shapes:
    """A UNet's shapes under their original names."""
    layout = ldm.layout_of_diffusers(f"unet.{name}" for name in unet)
    found: Shapes = {}
    for name, shape in unet.items():
        module, _, leaf = name.rpartition(".")
        original = ldm.to_ldm(f"unet.{module}", layout)
        assert original is not None, name
        found[ldm.UNET + original.removeprefix("unet.") + f".{leaf}"] = shape
    return found


DEPTHS = [
    pytest.param({}, id="published"),
    pytest.param({"block_out_channels": (32, 64, 64, 64), "layers_per_block": 1}, id="one-layer"),
    pytest.param(
        {
            "block_out_channels": (32, 64),
            "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        },
        id="attention-everywhere",
    ),
]


@pytest.mark.parametrize("changes", DEPTHS)
def test_the_unet_there_and_back(changes: dict[str, object]) -> None:
    unet = published_unet(**changes)
    original = in_ldm(unet)
    assert len(original) == len(unet)
    translated = ldm.to_diffusers(original)
    assert {translated[name]: shape for name, shape in original.items()} == {
        f"unet.{name}": shape for name, shape in unet.items()
    }


def test_diffusers_translates_the_unet_alike() -> None:
    unet = published_unet()
    original = in_ldm(unet)
    config = {"layers_per_block": 2, "class_embed_type": None, "addition_embed_type": None}
    theirs = utils.convert_ldm_unet_checkpoint({name: name for name in original}, config)
    ours = ldm.to_diffusers(original)
    assert {f"unet.{new}": old for new, old in theirs.items()} == {new: old for old, new in ours.items()}


def test_diffusers_translates_the_vae_alike(vae_name_in_ldm: Callable[[str], str]) -> None:
    vae = published_vae()
    original = {
        ldm.VAE + vae_name_in_ldm(name): (*shape, 1, 1) if ".to_" in name and len(shape) == 2 else shape
        for name, shape in vae.items()
    }
    assert len(original) == len(vae)
    config = {"down_block_types": ("D",) * 4, "up_block_types": ("U",) * 4}
    tensors = {name: torch.empty(shape, device="meta") for name, shape in original.items()}
    theirs = utils.convert_ldm_vae_checkpoint(dict(tensors), config)
    ours = ldm.components(original)
    assert ours == {f"vae.{name}": tuple(tensor.shape) for name, tensor in theirs.items()}
    assert ours == {f"vae.{name}": shape for name, shape in vae.items()}


def test_text_encoder_and_what_has_no_counterpart() -> None:
    names = {
        "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (49408, 768),
        "cond_stage_model.transformer.text_model.embeddings.position_ids": (1, 77),
        "model_ema.decay": (),
        "betas": (1000,),
        "model.diffusion_model.unknown.weight": (1,),
    }
    assert ldm.to_diffusers(names) == {
        "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (
            "text_encoder.text_model.embeddings.token_embedding.weight"
        )
    }
