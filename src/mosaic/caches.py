"""Where results are kept from one run to the next, and how faces open that place.

The folder is the one that a command is given, else `MOSAIC_CACHE`, else the user's own. It holds at most
`MOSAIC_CACHE_SIZE` (`500MiB`, `20GiB`), or 4 GiB.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.face import NoSize
from mosaic.compiler.syntax.literals import MEMORIES

if TYPE_CHECKING:
    from mosaic.runtime.cache.disk import Disk

VARIABLE: Final = "MOSAIC_CACHE"
SIZE: Final = "MOSAIC_CACHE_SIZE"

_AMOUNT: Final = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[KMGT]iB)")


def user_cache() -> Path:
    """Where the user's own cache lies, whether there is one or not."""
    data = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    return Path(data).expanduser() / "mosaic"


def find_cache(given: Path | None) -> Path:
    """The folder to use."""
    if given is not None:
        return given
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else user_cache()


def open_cache(given: Path | None) -> Disk:
    """The cache in a folder; nothing is made before something is put into it. Raises MosaicError (M889)."""
    from mosaic.runtime.cache.disk import LIMIT, Disk

    asked = os.environ.get(SIZE)
    return Disk(find_cache(given), read_size(asked) if asked else LIMIT)


def read_size(text: str) -> int:
    """`500MiB` as bytes, in the units of plans. Raises MosaicError (M889).

    >>> read_size("2KiB"), read_size("1.5GiB")
    (2048, 1610612736)
    """
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise MosaicError(NoSize(None, text))
    return int(float(match["number"]) * MEMORIES[match["unit"]])
