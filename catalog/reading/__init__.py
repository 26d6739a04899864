"""From files to records: what an expert is by its tensors, what its metadata and its people say of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mosaic.catalog.reading.expert import read_one
from mosaic.catalog.reading.given import Declared, Naming, Refusal
from mosaic.catalog.reading.shipped import shipped
from mosaic.catalog.reading.walk import candidates
from mosaic.catalog.record import Record

__all__ = ["Declared", "Naming", "Refusal", "candidates", "read_one", "read_path", "shipped"]


_NAMING: Final = Naming()
_NOTHING: Final = Declared()


def read_path(
    path: Path, *, ids: Naming = _NAMING, options: Declared = _NOTHING
) -> Iterator[Record | Refusal]:
    """Every expert in a file or folder, and a refusal for each path that looks like one and is none."""
    for candidate in candidates(path):
        yield read_one(candidate, ids=ids, options=options)
