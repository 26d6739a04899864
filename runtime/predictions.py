"""What denoisers predict, and how one prediction becomes another at the same noise level.

A noisy latent is `x = α·x0 + σ·ε` with `α² + σ² = 1` (variance preserving; Song et al. 2021, arXiv:2011.13456). A
denoiser tells of it ε itself (Ho et al. 2020, arXiv:2006.11239), or `v = α·ε − σ·x0` (Salimans & Ho 2022,
arXiv:2202.00512, appendix D), or, trained on straight paths `x = (1 − t)·x0 + t·ε`, the flow `u = ε − x0` (Lipman et
al. 2023, arXiv:2210.02747). Each of them together with `x` fixes `x0` and ε, so each can be turned into each other,
but only at the same noise level: their mean without that is off by half.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

KINDS: Mapping[str, str] = {
    "epsilon": "epsilon",
    "v_prediction": "v",
    "flow_prediction": "flow",
    "v": "v",
    "flow": "flow",
}
"""diffusers' names for what is predicted, and ours."""


@dataclass(frozen=True)
class Level:
    """A noise level as the ratio of noise to signal: `σ / α`, above 0."""

    ratio: float

    @property
    def alpha(self) -> float:
        """The share of the signal, variance preserving."""
        return 1 / math.sqrt(1 + self.ratio * self.ratio)

    @property
    def sigma(self) -> float:
        """The share of the noise, variance preserving."""
        return self.ratio * self.alpha

    @property
    def time(self) -> float:
        """The time of a straight path at this ratio: `t / (1 − t) = σ / α`."""
        return self.ratio / (1 + self.ratio)


def to_clean(predicted: torch.Tensor, sample: torch.Tensor, level: Level, kind: str) -> torch.Tensor:
    """The clean latent `x0` that a prediction means; all (n, channels, h, w), `sample` variance preserving.

    Raises ValueError for an unknown kind.
    """
    alpha, sigma = level.alpha, level.sigma
    match kind:
        case "epsilon":
            return (sample - sigma * predicted) / alpha
        case "v":
            return alpha * sample - sigma * predicted
        case "flow":
            # On the straight path x' = x·(1 − t)/α, and x0 = x' − t·u.
            return sample * ((1 - level.time) / alpha) - level.time * predicted
    raise ValueError(f"unknown prediction kind {kind!r}")


def from_clean(clean: torch.Tensor, sample: torch.Tensor, level: Level, kind: str) -> torch.Tensor:
    """The prediction of a kind that means a clean latent: the inverse of `to_clean`. Raises ValueError."""
    alpha, sigma = level.alpha, level.sigma
    match kind:
        case "epsilon":
            return (sample - alpha * clean) / sigma
        case "v":
            return (alpha * sample - clean) / sigma
        case "flow":
            return (sample * ((1 - level.time) / alpha) - clean) / level.time
    raise ValueError(f"unknown prediction kind {kind!r}")


def convert(
    predicted: torch.Tensor, sample: torch.Tensor, level: Level, source: str, target: str
) -> torch.Tensor:
    """A prediction of one kind as one of another, at one noise level. Equal kinds give the same tensor."""
    if source == target:
        return predicted
    return from_clean(to_clean(predicted, sample, level, source), sample, level, target)


def as_read(sample: torch.Tensor, level: Level, kind: str) -> torch.Tensor:
    """A variance preserving sample as a denoiser of a kind reads it: on the straight path for flow."""
    return sample * ((1 - level.time) / level.alpha) if kind == "flow" else sample


def level_of(scheduler: Any, index: int) -> Level:
    """The noise level at which step `index` of a diffusers scheduler starts, once its timesteps are set."""
    sigmas = getattr(scheduler, "sigmas", None)
    if sigmas is not None:
        return Level(float(sigmas[index]))
    kept = float(scheduler.alphas_cumprod[int(scheduler.timesteps[index])])
    return Level(math.sqrt((1 - kept) / kept))


@dataclass(frozen=True)
class Clock:
    """A model's own noise schedule: its noise level at each time that it was trained on, (times,) float64, rising."""

    ratios: torch.Tensor

    @classmethod
    def of(cls, betas: torch.Tensor) -> Clock:
        """From the variances that its schedule adds at each time."""
        kept = (1 - betas.double()).cumprod(0)
        return cls(((1 - kept) / kept).sqrt())

    def time(self, level: Level) -> float:
        """The time at which this schedule has a noise level, a fraction between two times; clamped to its ends."""
        logs = self.ratios.log()
        wanted = math.log(level.ratio)
        after = int(torch.searchsorted(logs, torch.tensor(wanted, dtype=logs.dtype)))
        if after == 0:
            return 0.0
        if after >= len(logs):
            return float(len(logs) - 1)
        low, high = float(logs[after - 1]), float(logs[after])
        return after - 1 + (wanted - low) / (high - low)
