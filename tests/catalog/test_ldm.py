"""The original single-file layout, against diffusers' own conversion of published shapes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mosaic.compiler.weights import ldm
from mosaic.compiler.weights.adapter_keys import canonical

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")
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


def published_text() -> Shapes:
    config = transformers.CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
    )
    with torch.device("meta"):
        encoder = transformers.CLIPTextModel(config)
    return {name: tuple(tensor.shape) for name, tensor in encoder.state_dict().items()}


def whole(**changes: object) -> Shapes:
    """A whole model in diffusers' names."""
    parts = {"unet": published_unet(**changes), "vae": published_vae(), "text_encoder": published_text()}
    return {f"{part}.{name}": shape for part, shapes in parts.items() for name, shape in shapes.items()}


ZOO = {
    "block_out_channels": (32, 64),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
}
ONE_LEVEL = {
    "block_out_channels": (32,),
    "layers_per_block": 1,
    "down_block_types": ("CrossAttnDownBlock2D",),
    "up_block_types": ("CrossAttnUpBlock2D",),
}


@pytest.mark.parametrize(
    "changes", [*DEPTHS, pytest.param(ZOO, id="zoo"), pytest.param(ONE_LEVEL, id="one-level")]
)
def test_a_whole_model_there_and_back(changes: dict[str, object]) -> None:
    model = whole(**changes)
    names = ldm.from_diffusers(model)
    assert len(set(names.values())) == len(names)
    # transformers leaves `text_model.` out, the original layout does not.
    back = {canonical(new): old for old, new in ldm.to_diffusers(names.values()).items()}
    assert back == {canonical(name): original for name, original in names.items()}
    assert {canonical(name) for name in names} == {
        canonical(name) for name in model if not name.endswith(".position_ids")
    }
    original = {
        old: (*model[name], 1, 1) if ldm.is_projection(name) else model[name] for name, old in names.items()
    }
    assert ldm.is_ldm(original)
    assert {canonical(name): shape for name, shape in ldm.components(original).items()} == {
        canonical(name): model[name] for name in names
    }


def test_the_names_are_those_of_the_published_file(vae_name_in_ldm: Callable[[str], str]) -> None:
    """The UNet's and VAE's by rules written down a second time, and some names of each part as they were published."""
    names = ldm.from_diffusers(whole())
    unet, vae = published_unet(), published_vae()
    assert [names[f"unet.{name}"] for name in unet] == list(in_ldm(unet))
    assert [names[f"vae.{name}"] for name in vae] == [ldm.VAE + vae_name_in_ldm(name) for name in vae]
    assert {
        "model.diffusion_model.input_blocks.0.0.weight",
        "model.diffusion_model.input_blocks.11.0.in_layers.2.weight",
        "model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight",
        "model.diffusion_model.output_blocks.2.1.conv.weight",
        "model.diffusion_model.output_blocks.5.2.conv.weight",
        "model.diffusion_model.out.2.bias",
        "first_stage_model.encoder.down.1.block.0.nin_shortcut.weight",
        "first_stage_model.decoder.mid.attn_1.proj_out.weight",
        "first_stage_model.decoder.up.3.upsample.conv.weight",
        "first_stage_model.post_quant_conv.weight",
        "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
        "cond_stage_model.transformer.text_model.encoder.layers.11.self_attn.out_proj.bias",
        "cond_stage_model.transformer.text_model.final_layer_norm.weight",
    } <= set(names.values())


def test_layers_that_the_original_lacks_keep_their_names() -> None:
    names = [
        "unet.conv_in.weight",
        "unet.time_embedding.cond_proj.weight",
        "text_encoder.text_projection.weight",
    ]
    found = ldm.from_diffusers(names)
    assert found == {
        "unet.conv_in.weight": "model.diffusion_model.input_blocks.0.0.weight",
        "unet.time_embedding.cond_proj.weight": "unet.time_embedding.cond_proj.weight",
        "text_encoder.text_projection.weight": "cond_stage_model.transformer.text_projection.weight",
    }
    assert ldm.to_diffusers(found.values()) == {original: name for name, original in found.items()}


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
