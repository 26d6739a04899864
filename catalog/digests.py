"""SHA-256 of files, computed once: checkpoints have gigabytes.

A digest is kept for as long as a file's path, size, times and inode stay the same. It is kept in a JSON file
under the user's cache folder, so that the next process finds it too. Losing the file costs time, nothing
else.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mosaic.catalog.identity import Identity
    from mosaic.compiler.weights.header import Header

_CHUNK: Final = 1 << 20
_SMALL: Final = 1 << 16
"""Files below this many bytes are hashed faster than a cache is read."""
_LARGE: Final = 1 << 22
"""Files below this many bytes are hashed four ways in some milliseconds; above, all their digests are kept."""
_SETTLED_NS: Final = 2_000_000_000
"""Younger files may change again within the file system's clock tick, unnoticed; their digests are not
kept.
"""
_VERSION: Final = 1

State = list[int]


class Digests:
    """Digests by path, in memory and on disk."""

    def __init__(self, store: Path | None = None) -> None:
        """`store` is the JSON file; the default is `digests.json` in the cache folder."""
        self._given = store
        self._known: dict[str, tuple[State, str]] | None = None

    @cached_property
    def _store(self) -> Path:
        return self._given if self._given is not None else cache_folder() / "digests.json"

    def sha256(self, path: Path) -> str:
        """The 64 hex digits of a file. Raises OSError."""
        stat = path.stat()
        if stat.st_size < _SMALL:
            return _digest(path)
        state = _state(stat)
        key = os.path.realpath(path)
        known = self._load()
        if key in known and known[key][0] == state:
            return known[key][1]
        identity = self._recall(key, state) if stat.st_size >= _LARGE else None
        digest = identity.sha256 if identity is not None else _digest(path)
        if _settled(stat) and _state(path.stat()) == state:
            self._keep(key, state, digest)
        return digest

    def identity(self, path: Path, header: Header | None) -> Identity:
        """Every digest of a file, whose `header` is given where it is a safetensors file. Raises OSError.

        Those of large files are kept, each in a file of its own: many processes fill a catalog at once.
        """
        from mosaic.catalog.identity import identify_file  # `mosaic check` needs one digest only

        stat = path.stat()
        if stat.st_size < _LARGE:
            return identify_file(path, header)
        state, key = _state(stat), os.path.realpath(path)
        known = self._recall(key, state)
        if known is not None and bool(known.tensors_sha256) == (header is not None):
            return known
        identity = identify_file(path, header)
        if _settled(stat) and _state(path.stat()) == state:
            content = {"version": _VERSION, "path": key, "state": state, "digests": identity.__dict__}
            with suppress(OSError):
                _write(self._place(key), json.dumps(content).encode())
        return identity

    def _recall(self, key: str, state: State) -> Identity | None:
        from mosaic.catalog.identity import Identity

        try:
            content = json.loads(self._place(key).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(content, dict) or content.get("version") != _VERSION or content.get("path") != key:
            return None
        digests = content.get("digests")
        if content.get("state") != state or not isinstance(digests, dict):
            return None
        if digests.keys() != _DIGESTS or not all(_is_digest(digest) for digest in digests.values()):
            return None
        return Identity(**digests) if digests["sha256"] and digests["blake3"] else None

    def _place(self, key: str) -> Path:
        name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
        return self._store.parent / "identities" / name[:2] / f"{name[2:34]}.json"

    def _load(self) -> dict[str, tuple[State, str]]:
        if self._known is None:
            self._known = _read(self._store)
        return self._known

    def _keep(self, key: str, state: State, digest: str) -> None:
        # Another process may have written since: its entries are taken over.
        self._known = {**_read(self._store), **self._load(), key: (state, digest)}
        content = {"version": _VERSION, "files": {k: [s, d] for k, (s, d) in sorted(self._known.items())}}
        # A cache that cannot be written (a read-only home) is no reason to stop.
        with suppress(OSError):
            _write(self._store, json.dumps(content, indent=0).encode())


def cache_folder() -> Path:
    """Where derived data of the user is kept: `MOSAIC_CACHE`, or the platform's own place."""
    if chosen := os.environ.get("MOSAIC_CACHE"):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "mosaic"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "mosaic" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mosaic"


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _state(stat: os.stat_result) -> State:
    # The change time cannot be set by a user, so a file with a forged modification time is still noticed.
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev]


def _settled(stat: os.stat_result) -> bool:
    # A file that was written to meanwhile has another state now; its digest is of no moment.
    return time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > _SETTLED_NS


_DIGESTS: Final = {"sha256", "blake3", "autov3", "tensors_sha256"}


def _is_digest(text: object) -> bool:
    return text == "" or (
        isinstance(text, str) and len(text) == 64 and all(char in "0123456789abcdef" for char in text)
    )


def _read(store: Path) -> dict[str, tuple[State, str]]:
    try:
        content = json.loads(store.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict) or content.get("version") != _VERSION:
        return {}
    files = content.get("files")
    if not isinstance(files, dict):
        return {}
    return {key: (entry[0], entry[1]) for key, entry in files.items() if _is_entry(entry)}


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, list) or len(entry) != 2:
        return False
    state, digest = entry
    return (
        isinstance(state, list)
        and all(type(item) is int for item in state)
        and isinstance(digest, str)
        and len(digest) == 64
        and all(char in "0123456789abcdef" for char in digest)
    )


def _write(path: Path, data: bytes) -> None:
    import tempfile  # rarely needed: most runs find what they look for

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".digests-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise
