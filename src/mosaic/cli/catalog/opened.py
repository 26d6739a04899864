"""The catalog that a command works on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.api.catalog.opened import place, read_store, written_store
from mosaic.catalogs import user_catalog

if TYPE_CHECKING:
    from mosaic.catalog.store import Store

__all__ = ["named", "place", "reading", "writing"]


@contextmanager
def reading(given: Path | None) -> Iterator[Store]:
    """The catalog for questions; where there is none, the experts that come with mosaic.

    Raises UnreadableError (M83x) where it cannot be opened.
    """
    path, store = read_store(given)
    with store:
        if path is None:
            print(
                f"no catalog yet ({user_catalog()}): these are the experts that come with mosaic\n",
                file=sys.stderr,
            )
        yield store


@contextmanager
def writing(given: Path | None) -> Iterator[Store]:
    """The catalog for changes, made where there is none. Raises UnreadableError (M83x, M842)."""
    _, store = written_store(given)
    with store:
        yield store


def named(store: Store) -> str:
    """Where a catalog lies, as sentences say it."""
    return "the experts that come with mosaic" if store.place == "memory" else store.place
