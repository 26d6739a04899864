"""What the instructions of a program produce and take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mosaic.runtime.devices import Device
from mosaic.runtime.tokens import Tokens
from mosaic.runtime.weights import Component

if TYPE_CHECKING:
    from mosaic.runtime.families import Family


EMBEDDINGS = "text_encoder.embeddings.token_embedding.weight"
"""The matrix of word embeddings, to which textual inversions add rows."""


@dataclass(frozen=True)
class Vae:
    """A VAE in float32. `factor` is picture pixels per latent pixel."""

    module: nn.Module
    channels: int
    factor: int
    scaling: float
    shift: float


@dataclass(frozen=True)
class Base:
    """A checkpoint as loaded.

    `stored` holds its tensors as the file has them, for fusing in full precision.
    """

    id: str
    family: Family
    device: Device
    unet: Component
    text_encoder: Component
    vae: Vae
    tokens: Tokens
    scheduler: Mapping[str, Any]
    stored: Mapping[str, torch.Tensor] = field(repr=False)
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Model:
    """A base with whatever is fused into it: changed tensors, added words, another VAE."""

    base: Base
    overlay: Mapping[str, torch.Tensor]
    tokens: Tokens
    vae: Vae

    @classmethod
    def of(cls, base: Base) -> Model:
        """A base with nothing fused into it."""
        return cls(base, {}, base.tokens, base.vae)

    def tensor(self, name: str) -> torch.Tensor:
        """A tensor in the most precise form at hand, by canonical name."""
        return self.overlay[name] if name in self.overlay else self.base.stored[name]


@dataclass(frozen=True)
class Conditioning:
    """An encoded prompt: (1, tokens, width)."""

    hidden: torch.Tensor


@dataclass(frozen=True)
class Run:
    """Where a denoising run stands: everything needed to go on exactly.

    `scheduler` is a diffusers scheduler with its multistep history; `generator` is the state of the CPU
    generator that ancestral noise comes from. A run is copied before it goes on, so one latent can be
    resumed many times.
    """

    name: str
    scheduler: Any
    timesteps: torch.Tensor
    position: int
    generator: torch.Tensor

    @property
    def total(self) -> int:
        """How many steps the whole run has."""
        return len(self.timesteps)


@dataclass(frozen=True)
class Latent:
    """A latent (1, channels, h, w) float32; `run` is None for an encoded picture."""

    sample: torch.Tensor
    run: Run | None


@dataclass(frozen=True)
class Image:
    """A picture (height, width, 3) of 8 bits."""

    pixels: npt.NDArray[np.uint8]


Value = Model | Conditioning | Latent | Image
