"""The catalog that a command works on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.api.sources import readable
from mosaic.catalogs import find_catalog, user_catalog

if TYPE_CHECKING:
    from mosaic.catalog.store import Store


@contextmanager
def reading(given: Path | None) -> Iterator[Store]:
    """The catalog for questions; where there is none, the experts that come with mosaic.

    Raises UnreadableError (M83x) where it cannot be opened.
    """
    with _opened(find_catalog(given)) as store:
        yield store


@contextmanager
def writing(given: Path | None) -> Iterator[Store]:
    """The catalog for changes, made where there is none. Raises UnreadableError (M83x, M842)."""
    from mosaic.catalog.store import open_store
    from mosaic.compiler.diagnostic import MosaicError
    from mosaic.compiler.errors.catalog_face import SnapshotIsReadOnly

    path = place(given)
    with readable():
        if path.is_dir():
            raise MosaicError(SnapshotIsReadOnly(None, str(path)))
        store = open_store(path, write=True)
    with store:
        yield store


def named(store: Store) -> str:
    """Where a catalog lies, as sentences say it."""
    return "the experts that come with mosaic" if store.place == "memory" else store.place


def place(given: Path | None) -> Path:
    """Where the catalog lies, whether there is one or not."""
    return find_catalog(given) or user_catalog()


@contextmanager
def _opened(path: Path | None) -> Iterator[Store]:
    from mosaic.catalog.reading import shipped
    from mosaic.catalog.store import memory_store, open_catalog
    from mosaic.stdlib import zoo

    with readable():
        store = open_catalog(path) if path is not None else memory_store(shipped(zoo.index(), zoo.root()))
    with store:
        if path is None:
            print(
                f"no catalog yet ({user_catalog()}): these are the experts that come with mosaic\n",
                file=sys.stderr,
            )
        yield store
