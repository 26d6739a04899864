"""Fitting bridges between two latent spaces, from pictures that both VAEs encode.

Pictures are rows (n, 3, H, W); latents of the two spaces (n, channels, h, w), of equal n, h and w. Every fifth picture
is held out: nothing is fitted on it, and all figures are of those pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image as Pillow
from PIL import ImageOps

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.bridges import SpacesUnlike, TooFewPictures
from mosaic.runtime import pictures
from mosaic.runtime.bridges import Bridge, residual
from mosaic.runtime.values import Image, Model

LEAST = 10
"""Fewer pictures than this say nothing of how a map does on others."""
HELD_OUT = 5
"""Every fifth picture is only measured on."""
RIDGE = 1e-4
_AT_ONCE = 16

Told = Callable[[int], None]


@dataclass(frozen=True)
class Settings:
    """How to fit. `kernel` is the side of the convolution, odd. The rest concerns the convolutional form: `width`
    channels, `blocks` residual blocks, `steps` of `batch` pictures each, all drawn by `seed`.
    """

    form: str = "linear"
    kernel: int = 3
    width: int = 32
    blocks: int = 2
    steps: int = 600
    batch: int = 16
    rate: float = 2e-3
    seed: int = 0


@dataclass(frozen=True)
class Measured:
    """How a bridge does on held-out pictures.

    `r2` is the share of the variance of the target's latents that it explains, `round_trip` that of the source's
    after the way there and back. `psnr` is in dB, peak 1, of pictures decoded from carried latents against
    pictures decoded from encoded ones.
    """

    r2: float
    round_trip: float
    psnr: float


@dataclass(frozen=True)
class Fitted:
    """A bridge and the one back."""

    there: Bridge
    back: Bridge
    measured: tuple[Measured, Measured]
    fitted: int  # pictures that they were fitted on
    held_out: int


def fit(
    source: Model,
    target: Model,
    shown: Sequence[Image],
    settings: Settings,
    where: str = "",
    advance: Told = lambda done: None,
) -> Fitted:
    """Bridges between the latent spaces of two models, both ways, from pictures of one size.

    Raises MosaicError: M872 for VAEs of different factors, M874 for too few pictures.
    """
    if source.vae.factor != target.vae.factor:
        raise MosaicError(
            SpacesUnlike(None, source.base.id, target.base.id, source.vae.factor, target.vae.factor)
        )
    if len(shown) < LEAST:
        raise MosaicError(TooFewPictures(None, len(shown), LEAST, where))
    here, there = encode(source, shown), encode(target, shown)
    held = torch.arange(len(shown)) % HELD_OUT == HELD_OUT - 1
    ends = (source.space, target.space)
    forth = _fitted(here[~held], there[~held], ends, settings, advance)
    back = _fitted(
        there[~held], here[~held], ends[::-1], settings, lambda done: advance(settings.steps + done)
    )
    measured = (
        _measure(forth, back, here[held], there[held], target),
        _measure(back, forth, there[held], here[held], source),
    )
    return Fitted(forth, back, measured, int((~held).sum()), int(held.sum()))


def encode(model: Model, shown: Sequence[Image]) -> torch.Tensor:
    """Pictures of one size as latents (n, channels, h, w) on the CPU."""
    device = model.base.device.torch
    parts = [
        model.base.family.encode_image(
            model.vae, torch.cat([pictures.to_tensor(image, device) for image in some])
        )
        for some in _batches(shown)
    ]
    return torch.cat([part.cpu() for part in parts])


def squared(image: Image, width: int, height: int) -> Image:
    """A picture at a size: scaled until it covers it, then cut around its middle."""
    if image.pixels.shape[:2] == (height, width):
        return image
    fitted = ImageOps.fit(Pillow.fromarray(image.pixels), (width, height), Pillow.Resampling.LANCZOS)
    return Image(np.asarray(fitted).copy())


def linear(
    source: torch.Tensor, target: torch.Tensor, kernel: int, ridge: float = RIDGE
) -> tuple[torch.Tensor, torch.Tensor]:
    """The convolution that maps one set of latents onto another with the least squared error, by the normal equations
    in float64: weight (out, in, k, k) and bias (out), float32.

    `ridge` times the mean of the diagonal is added to it (Hoerl & Kennard 1970, Technometrics 12:1), so that channels
    that move together do not get huge weights against each other.
    """
    ins, outs = source.shape[1], target.shape[1]
    size = ins * kernel * kernel + 1
    gram = torch.zeros(size, size, dtype=torch.float64)
    moments = torch.zeros(size, outs, dtype=torch.float64)
    for some, wanted in _pairs(source, target):
        rows = _neighbourhoods(some, kernel)
        gram += rows.T @ rows
        moments += rows.T @ wanted.permute(0, 2, 3, 1).reshape(-1, outs).double()
    penalty = torch.eye(size, dtype=torch.float64) * (ridge * gram.diagonal()[:-1].mean())
    penalty[-1, -1] = 0  # the bias is free
    gram += penalty
    solution = torch.linalg.solve(gram, moments).float()
    return solution[:-1].T.reshape(outs, ins, kernel, kernel).contiguous(), solution[-1].contiguous()


def r2(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """The share of the variance of `wanted` (n, channels, h, w) around its channels' means that `found` explains."""
    rest = (found.double() - wanted.double()).pow(2).sum()
    spread = (wanted.double() - wanted.double().mean(dim=(0, 2, 3), keepdim=True)).pow(2).sum()
    return float(1 - rest / spread) if spread > 0 else float(rest == 0)


def _neighbourhoods(latents: torch.Tensor, kernel: int) -> torch.Tensor:
    """Every latent's neighbourhood as a row, zeros beyond the edge, with a one for the bias: (n·h·w, in·k·k + 1)."""
    rows = F.unfold(latents.double(), kernel, padding=kernel // 2).transpose(1, 2).flatten(0, 1)
    return torch.cat([rows, torch.ones(len(rows), 1, dtype=torch.float64)], dim=1)


def _fitted(
    source: torch.Tensor, target: torch.Tensor, ends: tuple[str, str], settings: Settings, advance: Told
) -> Bridge:
    weight, bias = linear(source, target, settings.kernel)
    bridge = Bridge(f"{ends[0]} to {ends[1]}", *ends, weight, bias)
    if settings.form == "linear":
        return bridge
    return _grown(bridge, source, target, settings, advance)


def _grown(
    start: Bridge, source: torch.Tensor, target: torch.Tensor, settings: Settings, advance: Told
) -> Bridge:
    """A linear bridge with a network added to it, trained by Adam (Kingma & Ba 2015, arXiv:1412.6980) at a rate that
    falls along a cosine. It begins as the linear bridge; where training made it worse on what it was trained on, it
    stays that."""
    generator = torch.Generator("cpu").manual_seed(settings.seed)
    tensors = _begun(source.shape[1], target.shape[1], settings, generator)
    rest = target - start.carry(source)
    scale = rest.std().clamp(min=1e-6)
    learned = [tensor.requires_grad_() for tensor in tensors.values()]
    optimiser = torch.optim.Adam(learned, lr=settings.rate)
    for step in range(settings.steps):
        chosen = torch.randint(len(source), (settings.batch,), generator=generator)
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * (1 + math.cos(math.pi * step / settings.steps)) / 2
        loss = ((residual(source[chosen], tensors) - rest[chosen]) / scale).pow(2).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        advance(step + 1)
    grown = replace(start, network={name: tensor.detach() for name, tensor in tensors.items()})
    better = _error(grown, source, target) < _error(start, source, target)
    return grown if better else replace(start, network=_still(tensors))


def _begun(ins: int, outs: int, settings: Settings, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Tensors of a network whose last layer is zero: at first it adds nothing."""
    width = settings.width
    tensors: dict[str, torch.Tensor] = {}

    def add(name: str, out: int, into: int, gain: float) -> None:
        drawn = torch.randn(out, into, 3, 3, generator=generator)
        tensors[f"{name}.weight"] = drawn * (gain / math.sqrt(into * 9))
        tensors[f"{name}.bias"] = torch.zeros(out)

    add("net.enter", width, ins, 1.0)
    for block in range(settings.blocks):
        add(f"net.{block}.first", width, width, 1.0)
        add(f"net.{block}.second", width, width, 0.5)
    add("net.leave", outs, width, 0.0)
    return tensors


def _still(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: torch.zeros_like(tensor) for name, tensor in tensors.items()}


def _error(bridge: Bridge, source: torch.Tensor, target: torch.Tensor) -> float:
    pairs = _pairs(source, target)
    return sum(float((bridge.carry(some) - wanted).double().pow(2).sum()) for some, wanted in pairs)


def _measure(
    bridge: Bridge, back: Bridge, source: torch.Tensor, target: torch.Tensor, model: Model
) -> Measured:
    """`model` is one of the target's space."""
    carried = bridge.carry(source)
    return Measured(
        r2=r2(carried, target), round_trip=r2(back.carry(carried), source), psnr=_psnr(carried, target, model)
    )


def _psnr(carried: torch.Tensor, encoded: torch.Tensor, model: Model) -> float:
    device, squares = model.base.device.torch, []
    for some, wanted in _pairs(carried, encoded):
        ours, theirs = (
            (model.base.family.decode(model.vae, latents.to(device)).clamp(-1, 1) + 1) / 2
            for latents in (some, wanted)
        )
        squares.append((ours - theirs).pow(2).flatten(1).mean(1).cpu())
    error = float(torch.cat(squares).mean())
    return 10 * math.log10(1 / error) if error > 0 else math.inf


def _pairs(first: torch.Tensor, second: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for start in range(0, len(first), _AT_ONCE):
        yield first[start : start + _AT_ONCE], second[start : start + _AT_ONCE]


def _batches(shown: Sequence[Image]) -> Iterator[Sequence[Image]]:
    for start in range(0, len(shown), _AT_ONCE):
        yield shown[start : start + _AT_ONCE]
