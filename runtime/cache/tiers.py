"""Where values are kept by key: what the engine asks of a cache.

A cache may forget anything at any time, and what it gives is exactly what was put in: one that cannot be sure of that
gives nothing. So a run with a cache writes the bytes that a run without one writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from mosaic.runtime.values import Image, Latent


@dataclass(frozen=True)
class Encoding:
    """A text as a text encoder reads it, (1, tokens, width)."""

    hidden: torch.Tensor


@dataclass(frozen=True)
class Overlays:
    """The tensors that a fusion changes, by canonical name, of each leaf that it made."""

    leaves: tuple[Mapping[str, torch.Tensor], ...]

    @property
    def nbytes(self) -> int:
        """How much memory they take."""
        return sum(tensor.nbytes for leaf in self.leaves for tensor in leaf.values())


Cacheable = Latent | Image | Encoding | Overlays
"""What is kept: results of instructions, what text encoders make of texts, what operators make of weights."""


class Store(Protocol):
    """Keeps values by key."""

    def has(self, key: str) -> bool:
        """Whether a value is probably there. It may be gone, or found to be damaged, when it is asked for."""

    def get(self, key: str) -> Cacheable | None:
        """The value, or None."""

    def put(self, key: str, value: Cacheable) -> None:
        """Keep a value, if there is room for it. Never raises for a disk that is full or cannot be written."""

    def note(self, numerics: Mapping[str, str]) -> None:
        """Remember what decides numbers in a run that keeps values here. Never raises, as `put`."""


class Tiers:
    """Several stores as one: the first that has a value gives it, and those before it keep it from then on."""

    def __init__(self, tiers: Sequence[Store]) -> None:
        self._tiers = tuple(tiers)

    def has(self, key: str) -> bool:
        """See `Store`."""
        return any(tier.has(key) for tier in self._tiers)

    def get(self, key: str) -> Cacheable | None:
        """See `Store`."""
        for number, tier in enumerate(self._tiers):
            value = tier.get(key)
            if value is not None:
                for nearer in self._tiers[:number]:
                    nearer.put(key, value)
                return value
        return None

    def put(self, key: str, value: Cacheable) -> None:
        """See `Store`."""
        for tier in self._tiers:
            tier.put(key, value)

    def note(self, numerics: Mapping[str, str]) -> None:
        """See `Store`."""
        for tier in self._tiers:
            tier.note(numerics)
