"""The catalog that is meant, opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.api.sources import readable
from mosaic.catalogs import find_catalog, user_catalog

if TYPE_CHECKING:
    from mosaic.catalog.store import Store


def read_store(given: Path | None) -> tuple[Path | None, Store]:
    """The catalog for questions, and where it lies; where there is none (None), the experts that come with mosaic.

    Raises UnreadableError (M83x) where it cannot be opened.
    """
    from mosaic.catalog.reading import shipped
    from mosaic.catalog.store import memory_store, open_catalog
    from mosaic.stdlib import zoo

    path = find_catalog(given)
    with readable():
        if path is None:
            return None, memory_store(shipped(zoo.index(), zoo.root()))
        return path, open_catalog(path)


def written_store(given: Path | None) -> tuple[Path, Store]:
    """The catalog for changes, made where there is none. Raises UnreadableError (M83x, M842)."""
    from mosaic.catalog.store import open_store
    from mosaic.compiler.diagnostic import MosaicError
    from mosaic.compiler.errors.catalog_face import SnapshotIsReadOnly

    path = place(given)
    with readable():
        if path.is_dir():
            raise MosaicError(SnapshotIsReadOnly(None, str(path)))
        return path, open_store(path, write=True)


def place(given: Path | None) -> Path:
    """Where the catalog lies, whether there is one or not."""
    return find_catalog(given) or user_catalog()
