"""Attention of a denoiser that reads the same texts at every step: their keys and values are worked out once.

In a denoising run the latent changes from step to step and the texts do not, so cross-attention's products with the
texts (`to_k`, `to_v`) are the same tensors each time. Remembered, they are those tensors: nothing is approximated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import nn

Texts = dict[int, tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of one batch of texts by layer, for as long as the weights and the texts stay the same."""


@dataclass
class _Attending:
    """What the layers of a network have in common: while `texts` are set, what is in them is not worked out again."""

    texts: Texts | None = None


def attend(network: nn.Module) -> None:
    """Let the plain attention layers of a network remember texts, where they are asked to. Others stay as they are."""
    attending = _Attending()
    # An attribute that is no tensor and no module: it is no part of the network's state.
    network.attending = attending  # type: ignore[assignment]
    for number, layer in enumerate(network.modules()):
        if isinstance(layer, Attention) and _is_plain(layer):
            # An instance's own forward: hooks on the layer and on its parts stay as they were.
            layer.forward = _Forward(layer, attending, number)


@contextmanager
def remembering(network: nn.Module, texts: Texts | None) -> Iterator[None]:
    """Take keys and values of texts from here, and put what is missing. Nothing is remembered by a network that does
    not `attend`."""
    attending = getattr(network, "attending", None)
    if texts is None or attending is None:
        yield
        return
    attending.texts = texts
    try:
        yield
    finally:
        attending.texts = None


class _Forward:
    """Scaled dot-product attention (Vaswani et al. 2017, arXiv:1706.03762), as diffusers' own processor computes it."""

    def __init__(self, layer: Attention, attending: _Attending, number: int) -> None:
        self._layer: Any = layer
        self._attending = attending
        self._number = number

    def __call__(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        **others: Any,
    ) -> torch.Tensor:
        layer = self._layer
        if attention_mask is not None or others or hidden_states.ndim != 3:
            given = (layer, hidden_states, encoder_hidden_states, attention_mask)
            result: torch.Tensor = layer.processor(*given, **others)
            return result
        query = self._split(layer.to_q(hidden_states))
        if encoder_hidden_states is None:
            key, value = self._read(hidden_states)
        else:
            key, value = self._remembered(encoder_hidden_states)
        mixed = F.scaled_dot_product_attention(query, key, value)
        out: torch.Tensor = layer.to_out[0](mixed.transpose(1, 2).flatten(2))
        return out

    def _remembered(self, texts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        known = self._attending.texts
        if known is None:
            return self._read(texts)
        if self._number not in known:
            known[self._number] = self._read(texts)
        return known[self._number]

    def _read(self, given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        layer = self._layer
        return self._split(layer.to_k(given)), self._split(layer.to_v(given))

    def _split(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.view(*rows.shape[:-1], self._layer.heads, -1).transpose(1, 2)


def _is_plain(layer: Any) -> bool:
    """Whether a layer does no more than project, attend and project."""
    extras = (layer.spatial_norm, layer.group_norm, layer.norm_q, layer.norm_k)
    return (
        type(layer.processor) is AttnProcessor2_0
        and all(each is None for each in extras)
        and not layer.norm_cross
        and not layer.residual_connection
        and layer.rescale_output_factor == 1
    )
