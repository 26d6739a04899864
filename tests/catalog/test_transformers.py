"""Adapters of SD3 and Flux find their modules whatever layout they and their base are written in.

The base's names come from diffusers' own models, built without weights at a small size.
"""

from __future__ import annotations

import pytest
import torch

from mosaic.compiler.weights.adapter_keys import match
from mosaic.compiler.weights.names import Shape

diffusers = pytest.importorskip("diffusers")


@pytest.fixture(scope="module")
def flux() -> dict[str, Shape]:
    with torch.device("meta"):
        model = diffusers.FluxTransformer2DModel(
            num_layers=1, num_single_layers=1, attention_head_dim=8, num_attention_heads=4, joint_attention_dim=24,
            pooled_projection_dim=16, axes_dims_rope=(2, 2, 4), in_channels=16, guidance_embeds=True,
        )  # fmt: skip
    return {f"transformer.{name}": tuple(value.shape) for name, value in model.state_dict().items()}


@pytest.fixture(scope="module")
def sd3() -> dict[str, Shape]:
    with torch.device("meta"):
        model = diffusers.SD3Transformer2DModel(
            num_layers=2, attention_head_dim=8, num_attention_heads=4, joint_attention_dim=24,
            caption_projection_dim=32, pooled_projection_dim=16, sample_size=8, pos_embed_max_size=8,
        )  # fmt: skip
    return {f"transformer.{name}": tuple(value.shape) for name, value in model.state_dict().items()}


def factors(module: str, out: int, into: int, rank: int = 4, spelling: str = "kohya") -> dict[str, Shape]:
    down, up = ("lora_down", "lora_up") if spelling == "kohya" else ("lora_A", "lora_B")
    return {f"{module}.{down}.weight": (rank, into), f"{module}.{up}.weight": (out, rank)}


def test_diffusers_names_over_a_diffusers_base(flux: dict[str, Shape]) -> None:
    for module in ("transformer_blocks.0.attn.to_q", "single_transformer_blocks.0.proj_mlp"):
        out, into = flux[f"transformer.{module}.weight"]
        met = match(factors(f"transformer.{module}", out, into, spelling="peft"), flux)
        assert (met.unmatched, met.misshaped) == ((), ())
        assert met.changes[0].module == f"transformer.{module}.weight"


def test_kohya_names_of_the_original_layout_over_a_diffusers_base(flux: dict[str, Shape]) -> None:
    dim = 32
    for module, out, into in (
        ("lora_unet_double_blocks_0_img_attn_qkv", 3 * dim, dim),
        ("lora_unet_double_blocks_0_txt_mlp_2", dim, 4 * dim),
        ("lora_unet_single_blocks_0_linear1", 7 * dim, dim),
        ("lora_unet_single_blocks_0_modulation_lin", 3 * dim, dim),
    ):
        met = match(factors(module, out, into), flux)
        assert (met.unmatched, met.misshaped) == ((), ()), module


def test_diffusers_names_over_an_original_base() -> None:
    base = {
        "model.diffusion_model.double_blocks.0.img_attn.qkv.weight": (96, 32),
        "model.diffusion_model.double_blocks.0.img_attn.proj.weight": (32, 32),
    }
    for prefix in ("transformer.", ""):
        for module in ("transformer_blocks.0.attn.to_k", "transformer_blocks.0.attn.to_out.0"):
            met = match(factors(prefix + module, 32, 32, spelling="peft"), base)
            assert (met.unmatched, met.misshaped) == ((), ()), prefix + module


def test_kohya_names_of_sd3(sd3: dict[str, Shape]) -> None:
    met = match(factors("lora_unet_joint_blocks_0_context_block_attn_qkv", 96, 32), sd3)
    assert (met.unmatched, met.misshaped) == ((), ())
    met = match(factors("lora_unet_joint_blocks_0_x_block_mlp_fc1", 128, 32), sd3)
    assert (met.unmatched, met.misshaped) == ((), ())


def test_the_third_encoder_of_trainers_is_the_second_of_flux(flux: dict[str, Shape]) -> None:
    base = {**flux, "text_encoder_2.encoder.block.0.layer.0.SelfAttention.q.weight": (64, 64)}
    met = match(factors("lora_te3_encoder_block_0_layer_0_SelfAttention_q", 64, 64), base)
    assert (met.unmatched, met.misshaped) == ((), ())


def test_what_has_no_place_is_told(flux: dict[str, Shape], sd3: dict[str, Shape]) -> None:
    assert match(factors("lora_unet_double_blocks_9_img_attn_qkv", 96, 32), flux).unmatched
    assert match(factors("lora_unet_double_blocks_0_img_attn_qkv", 96, 48), flux).misshaped
    assert match(factors("lora_unet_double_blocks_0_img_attn_qkv", 96, 32), sd3).unmatched
    assert match(factors("lora_unet_down_blocks_0_attentions_0_proj_in", 96, 32), flux).unmatched
