"""The catalog's store: experts in an embedded DuckDB file, or in a snapshot's folder of Parquet files.

This is the only place that knows DuckDB.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mosaic.catalog.record import Record
from mosaic.catalog.store.access import File, Memory
from mosaic.catalog.store.store import Store
from mosaic.catalog.store.values import Export, Hit, Put, Row, Stats

__all__ = [
    "Export",
    "Hit",
    "Put",
    "Row",
    "Stats",
    "Store",
    "memory_store",
    "open_catalog",
    "open_snapshot",
    "open_store",
]

WAIT_S: Final = 5.0
"""How long another process may hold the file before that is an error."""


def open_store(path: Path, *, write: bool = False, wait: float = WAIT_S) -> Store:
    """A catalog's file. One that is opened for writing is made where there is none, and brought up to date.

    Raises MosaicError: M830 missing, M831 broken, M832 held by another process for longer than `wait` seconds,
    M833 newer, M834 older and opened for reading, M835 cannot be written.
    """
    access = File(path, write, wait)
    access.read()
    return Store(access)


def open_snapshot(folder: Path) -> Store:
    """A snapshot's folder, for reading. Raises MosaicError: M830, M833, M836 no snapshot, M837 damaged."""
    from mosaic.catalog.store.snapshot import Snapshot

    access = Snapshot(folder)
    access.read()
    return Store(access)


def open_catalog(path: Path) -> Store:
    """Either, for reading."""
    return open_snapshot(path) if path.is_dir() else open_store(path)


def memory_store(records: Sequence[Record]) -> Store:
    """A catalog that lasts as long as the process."""
    store = Store(Memory())
    store.put(records)
    return store
