"""Configurations of Stable Diffusion 1 read off tensor shapes, for single files that carry none.

What shapes do not show is the same in every model of the family: eight attention heads, groups of
normalisation by 32, heads of 64 in CLIP, the noise schedule, the VAE's scaling (Rombach et al. 2022,
arXiv:2112.10752).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

SCALING = 0.18215
SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "prediction_type": "epsilon",
}

Shapes = Mapping[str, torch.Tensor]


def scheduler(prediction: str | None) -> dict[str, Any]:
    """The family's noise schedule for a prediction kind."""
    return {**SCHEDULER, "prediction_type": "v_prediction" if prediction == "v" else "epsilon"}


def unet(tensors: Shapes) -> dict[str, Any]:
    """The configuration of a UNet given by canonical names. Raises KeyError where a layer is missing."""
    levels = _count(tensors, "unet.down_blocks.")
    layers = _count(tensors, "unet.down_blocks.0.resnets.")
    attentive = [_any(tensors, f"unet.down_blocks.{level}.attentions.") for level in range(levels)]
    first = attentive.index(True)
    attention = f"unet.down_blocks.{first}.attentions.0."
    return {
        "in_channels": tensors["unet.conv_in.weight"].shape[1],
        "out_channels": tensors["unet.conv_out.weight"].shape[0],
        "block_out_channels": tuple(
            tensors[f"unet.down_blocks.{level}.resnets.0.conv2.weight"].shape[0] for level in range(levels)
        ),
        "layers_per_block": layers,
        "down_block_types": tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attentive),
        "up_block_types": tuple("CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attentive)),
        "cross_attention_dim": tensors[f"{attention}transformer_blocks.0.attn2.to_k.weight"].shape[1],
        "use_linear_projection": tensors[f"{attention}proj_in.weight"].ndim == 2,
        "attention_head_dim": 8,
        "norm_num_groups": 32,
    }


def text_encoder(tensors: Shapes) -> dict[str, Any]:
    """The configuration of a CLIP text encoder (Radford et al. 2021, arXiv:2103.00020)."""
    words, width = tensors["text_encoder.embeddings.token_embedding.weight"].shape
    return {
        "vocab_size": words,
        "hidden_size": width,
        "intermediate_size": tensors["text_encoder.encoder.layers.0.mlp.fc1.weight"].shape[0],
        "num_hidden_layers": _count(tensors, "text_encoder.encoder.layers."),
        "num_attention_heads": max(1, width // 64),
        "max_position_embeddings": tensors["text_encoder.embeddings.position_embedding.weight"].shape[0],
        "hidden_act": "quick_gelu",
        "bos_token_id": words - 2,
        "eos_token_id": words - 1,
    }


def vae(tensors: Shapes) -> dict[str, Any]:
    """The configuration of a KL autoencoder."""
    levels = _count(tensors, "vae.encoder.down_blocks.")
    return {
        "in_channels": tensors["vae.encoder.conv_in.weight"].shape[1],
        "out_channels": tensors["vae.decoder.conv_out.weight"].shape[0],
        "block_out_channels": tuple(
            tensors[f"vae.encoder.down_blocks.{level}.resnets.0.conv2.weight"].shape[0]
            for level in range(levels)
        ),
        "layers_per_block": _count(tensors, "vae.encoder.down_blocks.0.resnets."),
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "latent_channels": tensors["vae.decoder.conv_in.weight"].shape[1],
        "mid_block_add_attention": _any(tensors, "vae.encoder.mid_block.attentions."),
        "use_quant_conv": "vae.quant_conv.weight" in tensors,
        "use_post_quant_conv": "vae.post_quant_conv.weight" in tensors,
        "norm_num_groups": 32,
        "scaling_factor": SCALING,
    }


def _count(tensors: Shapes, prefix: str) -> int:
    """How many different numbers follow a prefix."""
    return len({name[len(prefix) :].partition(".")[0] for name in tensors if name.startswith(prefix)})


def _any(tensors: Shapes, prefix: str) -> bool:
    return any(name.startswith(prefix) for name in tensors)
