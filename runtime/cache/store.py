"""The disk tier as a store of values, and the tiers that an engine uses."""

from __future__ import annotations

from collections.abc import Mapping

from mosaic.runtime.cache.disk import Disk
from mosaic.runtime.cache.entries import decode, encode
from mosaic.runtime.cache.memory import MemoryStore
from mosaic.runtime.cache.settings import remember
from mosaic.runtime.cache.tiers import Cacheable, Store, Tiers


class DiskStore:
    """Values below a folder."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def has(self, key: str) -> bool:
        """See `Store`."""
        return self._disk.has(key)

    def get(self, key: str) -> Cacheable | None:
        """See `Store`."""
        data = self._disk.get(key)
        value = None if data is None else decode(data)
        if data is not None and value is None:
            self._disk.remove(key)
        return value

    def put(self, key: str, value: Cacheable) -> None:
        """See `Store`."""
        if self._disk.trouble is not None or self._disk.has(key):
            return
        data = encode(value)
        if data is not None:
            self._disk.put(key, data)

    def note(self, numerics: Mapping[str, str]) -> None:
        """See `Store`."""
        remember(self._disk, numerics)


def open_store(disk: Disk) -> Store:
    """What was used last in memory, all of it on the disk."""
    return Tiers((MemoryStore(), DiskStore(disk)))
