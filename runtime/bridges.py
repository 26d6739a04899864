"""Bridges: small maps from one latent space into another. Their format stands in `compiler/weights/bridges.py`.

The linear form is a convolution of k x k latents, fitted by least squares; the convolutional form adds a small residual
network to it. Both keep height and width, and both are local: what a latent becomes depends on its neighbourhood alone.
Training such networks between the spaces of public models was shown by SD-Latent-Interposer (city96, 2023).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.bridges import BridgeDoesNotFit, BrokenBridge
from mosaic.compiler.program import Expert
from mosaic.compiler.weights.bridges import PREFIX, fault
from mosaic.runtime.files import Reader
from mosaic.runtime.streaming import Entry, write_tensors


@dataclass(frozen=True, eq=False)
class Bridge:
    """A map of latents. `weight` (out, in, k, k) and `bias` (out) are float32; `network` are the tensors of the network
    that is added, by their names in the file, empty for a linear bridge.
    """

    id: str
    source: str
    target: str
    weight: torch.Tensor = field(repr=False)
    bias: torch.Tensor = field(repr=False)
    network: Mapping[str, torch.Tensor] = field(default_factory=dict, repr=False)

    @property
    def form(self) -> str:
        """`linear` or `conv`."""
        return "conv" if self.network else "linear"

    def carry(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (n, in, h, w) float32 in the other space, (n, out, h, w), on their own device.

        Raises MosaicError (M467) for another number of channels.
        """
        wanted = self.weight.shape[1]
        if latents.shape[1] != wanted:
            reason = f"it reads {wanted} channels, and the latent has {latents.shape[1]}"
            raise MosaicError(BridgeDoesNotFit(None, self.id, reason))
        device = latents.device
        with torch.no_grad():
            mapped = F.conv2d(
                latents, self.weight.to(device), self.bias.to(device), padding=self.weight.shape[-1] // 2
            )
            if not self.network:
                return mapped
            return mapped + residual(latents, {name: t.to(device) for name, t in self.network.items()})


def residual(latents: torch.Tensor, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """What the network of a convolutional bridge adds: (n, in, h, w) to (n, out, h, w).

    A 3x3 convolution, residual blocks of two (He et al. 2016, arXiv:1512.03385) with SiLU before each convolution
    (Ramachandran et al. 2017, arXiv:1710.05941), and one more convolution. No normalisation: latents carry their scale.
    """

    def layer(value: torch.Tensor, name: str) -> torch.Tensor:
        return F.conv2d(value, tensors[f"{name}.weight"], tensors[f"{name}.bias"], padding=1)

    value = layer(latents, "net.enter")
    for block in range(sum(name.endswith(".first.weight") for name in tensors)):
        inner = layer(F.silu(value), f"net.{block}.first")
        value = value + layer(F.silu(inner), f"net.{block}.second")
    return layer(F.silu(value), "net.leave")


def read_bridge(reader: Reader, expert: Expert) -> Bridge:
    """The bridge of a program. One whose file says nothing of itself is linear.

    Raises MosaicError (M751, M851-M853, M870).
    """
    file = expert.files[0]
    tensors, told = reader.tensors(file), reader.metadata(file)
    form = told.get(f"{PREFIX}kind", "linear")
    wrong = fault({name: tuple(tensor.shape) for name, tensor in tensors.items()}, form)
    if not wrong and not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        wrong = "some of its numbers are not finite"
    if wrong:
        raise MosaicError(BrokenBridge(None, file.location, wrong))
    full = {name: tensor.float() for name, tensor in tensors.items()}
    weight, bias = full.pop("weight"), full.pop("bias")
    target = told.get(f"{PREFIX}target") or expert.latent_space or ""
    return Bridge(expert.id, told.get(f"{PREFIX}source", ""), target, weight, bias, full)


def write_bridge(bridge: Bridge, path: Path, told: Mapping[str, str], license: str = "") -> str:
    """Write a bridge, whole or not at all, and return the file's sha256. `told` are further keys below
    `mosaic.bridge.`; equal bridges give equal bytes. Raises MosaicError (M855).
    """
    tensors = {"weight": bridge.weight, "bias": bridge.bias, **bridge.network}
    entries = {name: Entry(torch.float32, tuple(t.shape), partial(_given, t)) for name, t in tensors.items()}
    known = {"kind": bridge.form, "source": bridge.source, "target": bridge.target, **told}
    metadata = {f"{PREFIX}{key}": text for key, text in known.items()}
    if license:
        metadata["modelspec.license"] = license
    return write_tensors(path, entries, metadata)


def _given(tensor: torch.Tensor) -> torch.Tensor:
    return tensor
