"""The memory tier: the values that were used last, up to so many bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from mosaic.runtime.cache.tiers import Cacheable, Encoding, Overlays
from mosaic.runtime.values import Image, Latent

LIMIT: Final = 256 << 20


class MemoryStore:
    """Keeps values themselves, not copies: nothing changes a value once it is made."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._used = 0
        self._values: OrderedDict[str, Cacheable] = OrderedDict()

    def has(self, key: str) -> bool:
        """See `Store`."""
        return key in self._values

    def get(self, key: str) -> Cacheable | None:
        """See `Store`."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: str, value: Cacheable) -> None:
        """See `Store`. What was not asked for longest makes room."""
        size = bytes_of(value)
        if key in self._values or size > self._limit:
            return
        self._values[key] = value
        self._used += size
        while self._used > self._limit:
            _, oldest = self._values.popitem(last=False)
            self._used -= bytes_of(oldest)

    def note(self, numerics: Mapping[str, str]) -> None:
        """See `Store`. What is in memory nobody else looks for."""


def bytes_of(value: Cacheable) -> int:
    """About how much memory a value takes."""
    match value:
        case Image(pixels=pixels):
            return pixels.nbytes
        case Encoding(hidden=hidden):
            return hidden.nbytes
        case Overlays():
            return value.nbytes
        case Latent(sample=sample, clean=clean):
            # A scheduler keeps a few latents more, and its tables.
            held = sample.nbytes + (0 if clean is None else clean.nbytes)
            return 3 * held + (1 << 16)
