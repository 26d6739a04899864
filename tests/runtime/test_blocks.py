"""Blocks that work in place compute what diffusers' own do, to the bit, and leave what they are given alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn

from mosaic.runtime.blocks import write_in_place

SETTINGS: dict[str, dict[str, Any]] = {
    "sd1": {},
    "linear projections, two blocks": {"use_linear_projection": True, "transformer_layers_per_block": 2},
    "only cross-attention": {"only_cross_attention": True},
    "shift and scale": {"resnet_time_scale_shift": "scale_shift"},
    "another activation": {"act_fn": "mish"},
    "resnets that resample": {
        "down_block_types": ("ResnetDownsampleBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "ResnetUpsampleBlock2D"),
    },
}


def network(**settings: Any) -> nn.Module:
    torch.manual_seed(0)
    made = UNet2DConditionModel(
        **{
            "sample_size": 8,
            "block_out_channels": (16, 32),
            "layers_per_block": 1,
            "norm_num_groups": 4,
            "cross_attention_dim": 24,
            "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
            **settings,
        }
    )
    return made.eval().requires_grad_(False)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_denoiser(settings: dict[str, Any]) -> None:
    ours, theirs = network(**settings), network(**settings)
    write_in_place(ours)
    sample, hidden = torch.randn(2, 4, 8, 8), torch.randn(2, 7, 24)
    kept = sample.clone(), hidden.clone()
    with torch.no_grad():
        for step in (900, 3):
            predicted = ours(sample, step, encoder_hidden_states=hidden).sample
            assert torch.equal(predicted, theirs(sample, step, encoder_hidden_states=hidden).sample)
    assert torch.equal(sample, kept[0])
    assert torch.equal(hidden, kept[1])


def test_a_denoiser_with_a_mask() -> None:
    ours, theirs = network(), network()
    write_in_place(ours)
    given = {
        "encoder_hidden_states": torch.randn(2, 7, 24),
        "encoder_attention_mask": torch.tensor([[1, 1, 1, 0, 0, 0, 0], [1] * 7]),
    }
    sample = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        assert torch.equal(ours(sample, 3, **given).sample, theirs(sample, 3, **given).sample)


def test_an_autoencoder() -> None:
    made = []
    for _ in range(2):
        torch.manual_seed(0)
        kinds = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
        made.append(AutoencoderKL(**kinds, block_out_channels=(16, 32), norm_num_groups=4).eval())
    write_in_place(made[0])
    picture, latent = torch.randn(1, 3, 16, 16), torch.randn(1, 4, 8, 8)
    with torch.no_grad():
        assert torch.equal(made[0].decode(latent).sample, made[1].decode(latent).sample)
        first, second = (each.encode(picture).latent_dist.mean for each in made)
    assert torch.equal(first, second)


def test_gradients_are_those_of_the_library() -> None:
    """With gradients nothing is overwritten."""
    gradients = []
    for is_ours in (True, False):
        made = network().requires_grad_(True)
        if is_ours:
            write_in_place(made)
        torch.manual_seed(1)
        sample, hidden = torch.randn(2, 4, 8, 8), torch.randn(2, 7, 24)
        made(sample, 3, encoder_hidden_states=hidden).sample.square().sum().backward()
        gradients.append([parameter.grad for parameter in made.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        assert ours is not None and theirs is not None and torch.equal(ours, theirs)
