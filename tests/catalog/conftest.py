"""Tiny real models of the first family, built once and never trained."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")

Shapes = Mapping[str, tuple[int, ...]]


def shapes_of(module: object, prefix: str) -> dict[str, tuple[int, ...]]:
    """A module's parameters as a base's header would list them."""
    return {f"{prefix}.{name}": tuple(tensor.shape) for name, tensor in module.state_dict().items()}


@pytest.fixture(scope="session")
def unet() -> object:
    """A UNet of Stable Diffusion 1's architecture, 8 and 16 channels wide."""
    return diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=2,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=12,
        attention_head_dim=2,
        norm_num_groups=4,
    )


@pytest.fixture(scope="session")
def text_encoder() -> object:
    """A CLIP text encoder, 12 wide."""
    config = transformers.CLIPTextConfig(
        vocab_size=60,
        hidden_size=12,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=20,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return transformers.CLIPTextModel(config)


@pytest.fixture(scope="session")
def vae() -> object:
    """An autoencoder with two levels and attention in the middle."""
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        norm_num_groups=4,
    )


@pytest.fixture(scope="session")
def base(unet: object, text_encoder: object) -> Shapes:
    """The names and shapes of a base, as coverage sees them."""
    return shapes_of(unet, "unet") | shapes_of(text_encoder, "text_encoder")
