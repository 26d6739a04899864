"""Experts that are shipped with the package, from their index. Nothing is hashed or opened to know them.

The index is a table with `experts`, a list of entries (or a table of them by id):

    {"id": "zoo/neon", "kind": "lora", "family": "sd1", "space": null, "prediction": null,
     "title": "Neon outlines", "trigger": "neon style", "license": "Apache-2.0", "aliases": [],
     "native_size": [64, 64], "size_multiple": 8, "defaults": {"steps": 20},
     "files": [{"role": "adapter", "name": "neon.safetensors", "path": "models/neon.safetensors",
                "sha256": "…", "size": 123456}]}

`path` is relative to the index's root; where it is left out it is `name`. Only `id`, `kind` and `files`
must be there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import mosaic
from mosaic.compiler.context import ExpertFacts, FileFact
from mosaic.compiler.diagnostic import InternalError
from mosaic.compiler.types import Kind

PACKAGE: Final = "package:"


def read_index(index: Mapping[str, Any], root: Path) -> dict[str, ExpertFacts]:
    """The facts of every expert by id, in the index's order. Raises InternalError for a malformed index."""
    entries = index.get("experts", [])
    if isinstance(entries, Mapping):
        entries = [{"id": id, **entry} for id, entry in entries.items()]
    try:
        facts = [_facts(entry, root) for entry in entries]
    except (KeyError, TypeError, ValueError) as error:
        raise InternalError(f"the index of shipped experts is malformed: {error!r}") from error
    return {fact.id: fact for fact in facts}


def read_aliases(index: Mapping[str, Any]) -> dict[str, str]:
    """Other names of experts, to ids."""
    entries = index.get("experts", [])
    if isinstance(entries, Mapping):
        entries = [{"id": id, **entry} for id, entry in entries.items()]
    return {alias: entry["id"] for entry in entries for alias in entry.get("aliases", ())}


def locate(location: str) -> Path:
    """Where a file lies: inside the package, or at a path as the operating system takes it."""
    if location.startswith(PACKAGE):
        return _package() / location.removeprefix(PACKAGE)
    return Path(location)


def _package() -> Path:
    return Path(mosaic.__path__[0])


def _facts(entry: Mapping[str, Any], root: Path) -> ExpertFacts:
    size = entry.get("native_size")
    return ExpertFacts(
        id=entry["id"],
        kind=Kind(entry["kind"]),
        family=entry.get("family"),
        space=entry.get("space"),
        prediction=entry.get("prediction"),
        files=tuple(_file(file, root) for file in entry["files"]),
        trigger=entry.get("trigger"),
        title=entry.get("title") or "",
        license=entry.get("license"),
        native_size=_pair(size) if size is not None else None,
        size_multiple=entry.get("size_multiple", 8),
        defaults=dict(entry.get("defaults") or {}),
    )


def _pair(size: Sequence[int] | int) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    width, height = size
    return width, height


def _file(entry: Mapping[str, Any], root: Path) -> FileFact:
    return FileFact(
        role=entry["role"],
        sha256=entry["sha256"].removeprefix("sha256:"),
        size=entry["size"],
        location=_location(root / entry.get("path", entry["name"])),
        name=entry["name"],
    )


def _location(path: Path) -> str:
    package = _package()
    if path.is_relative_to(package):
        return PACKAGE + path.relative_to(package).as_posix()
    return str(path)
