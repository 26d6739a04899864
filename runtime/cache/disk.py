"""The disk tier: entries as files below one folder, shared by all processes that use it.

An entry is one file, named by its key, written under another name and renamed, so that it is there whole or not at all,
whatever interrupts its writer. It begins with a checksum over the key and what follows; one that does not match is
deleted when it is read. Reading an entry sets its time; when the folder grows beyond its limit, the entries that were
read longest ago go. One process at a time tidies up, by a lock that the system gives back when a process ends.

Nothing here raises for a disk that is full or cannot be read or written: the first failure is told by `trouble`, and
from then on nothing more is written.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LIMIT: Final = 4 << 30
"""How many bytes a folder may hold unless it is told otherwise."""

_FORM: Final = "v1"
"""The folder of this form of entries. Another form gets another folder."""
_MAGIC: Final = b"mosaic cache 1\n"
_SUFFIX: Final = ".entry"
_NOTES: Final = "notes"
_PART: Final = ".part"
_ABANDONED: Final = 3600.0
"""Seconds after which a half-written file belongs to a process that is gone."""
_KEPT: Final = 0.9
"""What part of the limit is kept when room is made, so that not every new entry makes room again."""


@dataclass(frozen=True)
class Entry:
    """An entry as a file: `used` is when it was last read or written, in seconds since 1970."""

    path: Path
    size: int
    used: float

    @property
    def key(self) -> str:
        """What it is kept under."""
        return self.path.name.removesuffix(_SUFFIX)


class Disk:
    """Bytes by key below a folder, up to a limit in bytes. The folder is made when something is put into it."""

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self.folder = folder
        self.limit = limit
        self.trouble: str | None = None
        self._root = folder / _FORM
        self._used: int | None = None  # an estimate: other processes write too

    def has(self, key: str) -> bool:
        """Whether there is an entry; whether it is whole shows when it is read."""
        return os.path.exists(self._path(key))

    def get(self, key: str) -> bytes | None:
        """An entry's bytes, or None where there is none or it is damaged; a damaged one is removed."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        payload = _opened(key, data)
        if payload is None:
            self.remove(key)
            return None
        with suppress(OSError):  # a folder that can only be read still serves
            os.utime(path)
        return payload

    def put(self, key: str, payload: bytes) -> None:
        """Keep bytes under a key, and make room if there are too many."""
        if self.trouble is not None or len(payload) > self.limit // 2 or self.has(key):
            return
        data = b"".join((_MAGIC, _checksum(key, payload), payload))
        try:
            self._write(self._path(key), data)
            self._used = None if self._used is None else self._used + len(data)
            if self._used is None or self._used > self.limit:
                self._used = self._measured()
        except (FileExistsError, NotADirectoryError):
            self.trouble = "it is no folder"
        except OSError as error:
            self.trouble = error.strerror or type(error).__name__

    def note(self, name: str, data: bytes) -> None:
        """Keep a small file beside the entries. It is none itself: it does not count, and stays when room is made."""
        if self.trouble is None:
            with suppress(OSError):
                self._write(self._root / _NOTES / name, data)

    def noted(self, name: str) -> bytes | None:
        """What was kept beside the entries, or None."""
        try:
            return (self._root / _NOTES / name).read_bytes()
        except OSError:
            return None

    def remove(self, key: str) -> None:
        """Forget an entry, if it can be deleted."""
        with suppress(OSError):
            self._path(key).unlink(missing_ok=True)

    def entries(self) -> Iterator[Entry]:
        """All entries, in the order of their keys. Raises OSError where the folder cannot be read."""
        if not self._root.exists():
            return
        for folder in sorted(self._root.iterdir()):
            if not folder.is_dir():
                continue
            for path in sorted(folder.iterdir()):
                if path.suffix == _SUFFIX and (entry := _entry(path)) is not None:
                    yield entry

    def is_whole(self, entry: Entry) -> bool:
        """Whether an entry's bytes are those that were written."""
        try:
            return _opened(entry.key, entry.path.read_bytes()) is not None
        except FileNotFoundError:
            return True  # another process made room
        except OSError:
            return False

    def prune(self, limit: int, *, wait: bool = True) -> list[Entry]:
        """Delete what was used longest ago until no more than so many bytes are left. Gives what was deleted.

        Where another process does so just now, wait for it, or else delete nothing. Raises OSError.
        """
        if not self._root.exists():
            return []
        with (self._root / "lock").open("ab") as stream:
            if not _lock(stream.fileno(), wait):
                return []
            try:
                return self._prune(limit)
            finally:
                _unlock(stream.fileno())

    def _measured(self) -> int:
        """How much there is, after room was made where there is too much."""
        used = sum(entry.size for entry in self.entries())
        if used > self.limit:
            used -= sum(entry.size for entry in self.prune(int(self.limit * _KEPT), wait=False))
        return used

    def _prune(self, limit: int) -> list[Entry]:
        found = sorted(self.entries(), key=lambda entry: entry.used)
        used = sum(entry.size for entry in found)
        gone = []
        for entry in found:
            if used <= limit:
                break
            entry.path.unlink(missing_ok=True)
            used -= entry.size
            gone.append(entry)
        self._sweep()
        return gone

    def _sweep(self) -> None:
        """Delete what processes left half-written that were killed."""
        for path in self._root.glob(f"*/*{_PART}"):
            try:
                if time.time() - path.stat().st_mtime > _ABANDONED:
                    path.unlink(missing_ok=True)
            except OSError:
                continue

    def _path(self, key: str) -> Path:
        return self._root / key[:2] / (key + _SUFFIX)

    def _write(self, path: Path, data: bytes) -> None:
        # Pictures are their owner's business, as is what may be put where they are looked for.
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f"{path.name[:16]}.", suffix=_PART, dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _entry(path: Path) -> Entry | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return Entry(path, stat.st_size, stat.st_mtime)


def _checksum(key: str, payload: bytes) -> bytes:
    digest = hashlib.sha256(key.encode())
    digest.update(payload)
    return digest.digest()


def _opened(key: str, data: bytes) -> bytes | None:
    """What an entry's file holds, or None where it is not what was written under its key."""
    start = len(_MAGIC) + hashlib.sha256().digest_size
    payload = data[start:]
    return payload if data[:start] == _MAGIC + _checksum(key, payload) else None


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int, wait: bool) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(handle: int, wait: bool) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)
