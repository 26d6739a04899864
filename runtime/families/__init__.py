"""The model families that can run. One member a file; the engine knows only this protocol."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, MutableMapping
from typing import Protocol

import torch
from torch import nn

from mosaic.compiler.program import Expert
from mosaic.runtime.attention import Texts
from mosaic.runtime.devices import Device
from mosaic.runtime.files import Reader
from mosaic.runtime.values import Base, Model, Vae

ModuleCache = MutableMapping[Hashable, nn.Module]
"""Networks by part, digest of their files and device, so that experts which share files share networks."""


class Family(Protocol):
    """What the engine asks of an architecture.

    Names of tensors are canonical: diffusers' names with the component in front (`unet.conv_in.weight`,
    `text_encoder.encoder.layers.0.…`), whatever layout a file has.
    """

    @property
    def name(self) -> str:
        """The family's name in programs."""

    def load(self, expert: Expert, reader: Reader, device: Device, modules: ModuleCache) -> Base:
        """Load a checkpoint's networks onto a device."""

    def tensors(self, expert: Expert, reader: Reader) -> dict[str, torch.Tensor]:
        """A checkpoint's stored tensors of unet and text encoder, on the CPU, without building networks."""

    def load_vae(self, expert: Expert, reader: Reader, device: Device, like: Vae) -> Vae:
        """A VAE expert; where it states no configuration of its own, it is built like another."""

    def encode_text(self, model: Model, text: str) -> torch.Tensor:
        """A prompt as the denoiser's conditioning (1, tokens, width)."""

    def predict(
        self,
        denoiser: nn.Module,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        conditioning: torch.Tensor,
        texts: Texts | None = None,
    ) -> torch.Tensor:
        """One forward pass: (rows, channels, h, w) float32 in and out, one conditioning row each.

        `texts` keep what the denoiser made of these conditionings, for the next pass by the same weights.
        """

    def decode(self, vae: Vae, sample: torch.Tensor) -> torch.Tensor:
        """Latents (1, channels, h, w) to a picture (1, 3, H, W) in [-1, 1], float32."""

    def encode_image(self, vae: Vae, picture: torch.Tensor) -> torch.Tensor:
        """The inverse of `decode`, taking the mean of the VAE's distribution."""


def families() -> Mapping[str, Family]:
    """Every family by name."""
    from mosaic.runtime.families.sd1 import SD1

    return {member.name: member for member in (SD1(),)}
