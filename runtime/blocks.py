"""Blocks of denoisers and autoencoders that write into their own intermediate results.

diffusers' blocks take a new tensor for every activation, every sum, and a division by one. In inference nobody else
sees these tensors, so the same operations can be done in place: the same bits, less memory traffic.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.activations import GEGLU
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.resnet import ResnetBlock2D
from torch import nn

_TEXTS = "encoder_hidden_states"


def write_in_place(network: nn.Module) -> None:
    """Let the plain blocks of a network work in place, where no gradients are wanted. Others stay as they are."""
    for block in network.modules():
        # An instance's own forward: hooks on the block and on its layers stay as they were.
        if isinstance(block, ResnetBlock2D) and _is_plain_resnet(block):
            block.forward = _Resnet(block)
        elif isinstance(block, BasicTransformerBlock) and _is_plain_transformer(block):
            block.forward = _Transformer(block)


class _Resnet:
    """A residual block (He et al. 2016, arXiv:1603.05027) that a time embedding shifts."""

    def __init__(self, block: Any) -> None:
        self._block = block
        self._parts = (block.norm1, block.conv1, block.time_emb_proj, block.norm2, block.conv2)

    def __call__(
        self, input_tensor: torch.Tensor, temb: torch.Tensor | None, *others: Any, **more: Any
    ) -> torch.Tensor:
        if torch.is_grad_enabled() or others or more:
            result: torch.Tensor = type(self._block).forward(self._block, input_tensor, temb, *others, **more)
            return result
        norm1, conv1, shifting, norm2, conv2 = self._parts
        hidden = conv1(F.silu(norm1(input_tensor), inplace=True))
        if shifting is not None and temb is not None:
            hidden.add_(shifting(F.silu(temb))[:, :, None, None])
        hidden = conv2(F.silu(norm2(hidden), inplace=True))
        across = self._block.conv_shortcut
        added: torch.Tensor = hidden.add_(input_tensor if across is None else across(input_tensor))
        return added


class _Transformer:
    """Self-attention, cross-attention and a gated feed-forward layer, each added to what it was given."""

    def __init__(self, block: Any) -> None:
        self._block = block
        self._attentions = ((block.norm1, block.attn1), (block.norm2, block.attn2))
        self._feed = (block.norm3, block.ff.net[0].proj, block.ff.net[2])

    def __call__(self, hidden_states: torch.Tensor, *others: Any, **named: Any) -> torch.Tensor:
        texts = named.get(_TEXTS)
        # A denoiser names all settings that there are; what they are set to here is nothing.
        is_more = any(
            not (value is None or (isinstance(value, dict) and not value))
            for name, value in named.items()
            if name != _TEXTS
        )
        if torch.is_grad_enabled() or others or is_more:
            result: torch.Tensor = type(self._block).forward(self._block, hidden_states, *others, **named)
            return result
        (norm1, attend), (norm2, read) = self._attentions
        hidden_states = attend(norm1(hidden_states)).add_(hidden_states)
        hidden_states = read(norm2(hidden_states), encoder_hidden_states=texts).add_(hidden_states)
        norm3, widen, narrow = self._feed
        hidden, gate = widen(norm3(hidden_states)).chunk(2, dim=-1)
        added: torch.Tensor = narrow(F.gelu(gate).mul_(hidden)).add_(hidden_states)
        return added


def _is_plain_resnet(block: Any) -> bool:
    return (
        block.upsample is None
        and block.downsample is None
        and block.time_embedding_norm == "default"
        and not block.skip_time_act
        and block.output_scale_factor == 1
        and isinstance(block.nonlinearity, nn.SiLU)
        and isinstance(block.norm1, nn.GroupNorm)
        and isinstance(block.norm2, nn.GroupNorm)
        and isinstance(block.dropout, nn.Dropout)
    )


def _is_plain_transformer(block: Any) -> bool:
    feed = block.ff.net
    return (
        block.norm_type == "layer_norm"
        and block.attn2 is not None
        and not block.only_cross_attention
        and block.pos_embed is None
        and not hasattr(block, "fuser")
        and block._chunk_size is None
        and len(feed) == 3
        and isinstance(feed[0], GEGLU)
        and isinstance(feed[1], nn.Dropout)
        and isinstance(feed[2], nn.Linear)
    )
