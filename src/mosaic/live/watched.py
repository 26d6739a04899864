"""Which files a plan depends on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from mosaic import catalogs
from mosaic.api.selecting import settings_of
from mosaic.compiler.diagnostic import MosaicError
from mosaic.settings import Finder

_TEXT: Final = re.compile(r'"([^"\n{}]{1,400})"')
_LIBRARY: Final = ".mosaic"


def plans(paths: Iterable[str]) -> tuple[str, ...]:
    """The files that were named, there or not, and the plans of folders that settings do not exclude, sorted."""
    found: dict[str, None] = {}
    settings = Finder()
    for path in paths:
        folder = Path(path)
        if not folder.is_dir():
            found.setdefault(str(folder))
            continue
        for file in sorted(_below(folder)):
            if not settings.of(str(file)).excludes(str(file)):
                found.setdefault(str(file))
    return tuple(found)


def _below(folder: Path) -> Iterator[Path]:
    """The plans of a folder, but hidden ones. What vanishes meanwhile is passed over."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (
            Path(place, name) for name in files if name.endswith(_LIBRARY) and not name.startswith(".")
        )


def depends(plan: str, catalog: Path | None = None) -> frozenset[Path]:
    """Everything whose change may change what is said of a plan, be it there or not: the plan, libraries that it uses,
    pictures and experts by their path, the lock, settings, the catalog."""
    file = Path(plan).absolute()
    locks = (folder / "mosaic.lock" for folder in (file.parent, Path.cwd()))
    return frozenset((*_named(file), *locks, *_settings(file), *_catalog(plan, catalog)))


def _named(file: Path) -> Iterator[Path]:
    """The file and what its texts name, on and on. A file that is half saved does not parse, so texts are looked for
    without its tree; one too many costs a look now and then."""
    seen: set[Path] = set()
    waiting = [file]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        yield path
        if path.suffix != _LIBRARY:
            continue
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for name in _TEXT.findall(text):
            if name.startswith(("./", "../")) or _is_file(path.parent / name):
                waiting.append(path.parent / name)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _settings(file: Path) -> Iterator[Path]:
    for folder in file.parents:
        yield folder / "mosaic.toml"
        yield folder / "pyproject.toml"
        if (folder / ".git").exists():
            return


def _catalog(plan: str, asked: Path | None) -> Iterator[Path]:
    with suppress(MosaicError):  # told where the plan is checked
        asked = settings_of(plan).catalog_for(asked)
    place = (catalogs.find_catalog(asked) or catalogs.user_catalog()).absolute()
    yield place
    with suppress(OSError):  # a file, or nothing; or it vanished just now
        yield from place.iterdir()
