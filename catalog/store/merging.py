"""A snapshot's experts come into a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from mosaic.catalog.store import whole
from mosaic.catalog.store.snapshot import Snapshot
from mosaic.catalog.store.values import Put

if TYPE_CHECKING:
    from mosaic.catalog.store.store import Store

_AT_ONCE: Final = 1000


def import_(store: Store, folder: Path) -> Put:
    """Put the records of a snapshot, batch by batch. Raises MosaicError as opening and writing do."""
    source = Snapshot(folder)
    source.check()
    connection = source.read()
    try:
        rows = connection.execute("SELECT base, shape, complete, result FROM coverages").fetchall()
        store.put_coverages(rows)
        found = connection.execute("SELECT number FROM experts ORDER BY number").fetchall()
        numbers = [number for (number,) in found]
        done = [
            store.put(whole.records(connection, numbers[start : start + _AT_ONCE]))
            for start in range(0, len(numbers), _AT_ONCE)
        ]
    finally:
        source.close()
    return Put(
        added=tuple(id for put in done for id in put.added),
        updated=tuple(id for put in done for id in put.updated),
        unchanged=tuple(id for put in done for id in put.unchanged),
        warnings=tuple(warning for put in done for warning in put.warnings),
    )
