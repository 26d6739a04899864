"""What in a folder would be read: model folders, safetensors files, and the pickles that are refused by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mosaic.catalog.folders import is_component
from mosaic.catalog.headers import PICKLES

_FILES: Final = (".safetensors", *PICKLES)
_DEEPEST: Final = 64


def candidates(path: Path) -> list[Path]:
    """The paths that a reader should look at, in the order of their names; a model's folder counts once.

    A path that is no folder is its own only candidate, whatever it is. Hidden folders are left out, links followed
    once. Folders that cannot be opened are candidates themselves, so that reading says why.
    """
    if not path.is_dir():
        return [path]
    return list(_walk(path, {}, 0))


def is_model(path: Path) -> bool:
    """Whether a folder is one model, not a place where models lie."""
    if any((path / name).is_dir() for name in ("unet", "transformer")) and _has_config(path):
        return True
    return (path / "model_index.json").is_file() or is_component(path)


def _has_config(path: Path) -> bool:
    names = ("unet/config.json", "transformer/config.json", "model_index.json")
    return any((path / name).is_file() for name in names)


def _walk(path: Path, seen: dict[tuple[int, int], None], depth: int) -> Iterator[Path]:
    try:
        stat = path.stat()
        if (stat.st_dev, stat.st_ino) in seen or depth > _DEEPEST:
            return
        seen[stat.st_dev, stat.st_ino] = None
        if is_model(path):
            yield path
            return
        with os.scandir(path) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        yield path
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name == "__pycache__":
            continue
        inner = path / entry.name
        if _is_folder(entry):
            yield from _walk(inner, seen, depth + 1)
        elif entry.name.lower().endswith(_FILES):
            yield inner


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
