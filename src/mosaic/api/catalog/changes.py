"""What in some folders has to be read: new, changed, or stated otherwise than when it was catalogued."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mosaic.catalog.paths import whole
from mosaic.catalog.record import FileState

if TYPE_CHECKING:
    from mosaic.catalog.store import Store

_AT_ONCE: Final = 5000


@dataclass(frozen=True)
class Candidate:
    """A path that a reader should look at. `known`: something of it is catalogued."""

    path: Path
    known: bool


def changed(paths: Sequence[Path], store: Store) -> Iterator[Candidate]:
    """Those of some candidates that are not as they were catalogued. No file is opened."""
    for start in range(0, len(paths), _AT_ONCE):
        files = {path: list(_files(path)) for path in paths[start : start + _AT_ONCE]}
        known = store.known([place for places in files.values() for place in places])
        for path, places in files.items():
            here = [place for place in places if place in known]
            if not here or _stated(path) or not _same(places, known):
                yield Candidate(path, bool(here))


def state(path: str | Path) -> FileState | None:
    """How a file looks from outside, or None where there is none."""
    try:
        stat = os.stat(path)
    except (OSError, ValueError):
        return None
    return FileState(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev)


def _same(places: Sequence[str], known: Mapping[str, FileState]) -> bool:
    """Whether everything that was catalogued looks as it did, and nothing came since that might belong to it."""
    newest = max((known[place].ctime_ns for place in places if place in known), default=0)
    for place in places:
        now = state(place)
        if place in known and now != known[place]:
            return False
        if place not in known and (now is None or now.ctime_ns > newest):
            return False
    return True


def _stated(path: Path) -> bool:
    """Whether a person's sidecar lies beside it. What it says may have changed; reading it again costs little."""
    from mosaic.catalog.reading.sidecar import sidecar_of

    return sidecar_of(path) is not None


def _files(path: Path) -> Iterator[str]:
    if not path.is_dir():
        yield str(whole(path))
        return
    for folder, names, files in os.walk(whole(path)):
        names[:] = sorted(name for name in names if not name.startswith("."))
        yield from (os.path.join(folder, name) for name in sorted(files) if not name.startswith("."))
