"""Where the catalog lies, and how faces open it.

A catalog is a DuckDB file that `mosaic catalog add` fills, or a snapshot folder that `mosaic catalog export` wrote.
The one that a command uses is the one it is given, else `MOSAIC_CATALOG`, else the user's own where there is
one. The experts that come with the package are there in any case.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mosaic.catalog.library import Library

VARIABLE: Final = "MOSAIC_CATALOG"


def user_catalog() -> Path:
    """Where the user's own catalog lies, whether there is one or not."""
    data = os.environ.get("XDG_DATA_HOME") or os.path.join("~", ".local", "share")
    return Path(data).expanduser() / "mosaic" / "catalog.duckdb"


def find_catalog(given: Path | None) -> Path | None:
    """The catalog to use. One that is asked for by name need not exist: opening it then says so."""
    if given is not None:
        return given
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser()
    own = user_catalog()
    return own if own.exists() else None


def open_library(path: Path) -> Library:
    """A catalog for reading. Raises MosaicError (M83x)."""
    from mosaic.catalog.store import open_catalog

    return open_catalog(path)


def shipped_library() -> Library:
    """The experts of the package alone, so that words can be looked up where there is no catalog."""
    from mosaic.catalog.reading import shipped
    from mosaic.catalog.store import memory_store
    from mosaic.stdlib import zoo

    return memory_store(shipped(zoo.index(), zoo.root()))
