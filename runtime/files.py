"""Reading the files of a program: verified by digest, safetensors and JSON only."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.errors.runtime import (
    FileChanged,
    FileMissing,
    PickleRefused,
    UnreadableConfiguration,
    UnreadableWeights,
)
from mosaic.compiler.program import File
from mosaic.runtime.shelf import Opened, Shelf

_CHUNK = 1 << 20
_PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle")

_State = tuple[str, int, int, int]


class Stopped(Exception):
    """Reading was given up: nobody waits for it any more."""


def _never() -> bool:
    return False


class Reader:
    """Opens the files of programs after their digests were verified.

    A digest is computed once per path, size, modification time and inode, and remembered for the reader's
    life. What was read stays on the `shelf` for those who will read it again. Several threads may read; one that is
    told to stop raises Stopped soon after.
    """

    def __init__(self, locate: Callable[[File], Path]) -> None:
        self.shelf = Shelf()
        self._locate = locate
        self._digests: dict[_State, str] = {}
        self._locks: defaultdict[_State, threading.Lock] = defaultdict(threading.Lock)

    def path(self, file: File, stopped: Callable[[], bool] = _never) -> Path:
        """Where a file lies, its bytes verified. Raises MosaicError (M751, M851)."""
        path = self._locate(file)
        try:
            stat = path.stat()
            state = (str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino)
            with self._locks[state]:
                if state not in self._digests:
                    self._digests[state] = _sha256(path, stopped)
        except OSError as error:
            raise MosaicError(_missing(file, error)) from error
        found = self._digests[state]
        if found != file.sha256.removeprefix("sha256:"):
            raise MosaicError(
                FileChanged(span=None, location=file.location, expected=file.sha256, found=found)
            )
        return path

    def is_likely(self, file: File) -> bool:
        """Whether a file of the right size lies there: a look, not a proof."""
        try:
            return self._locate(file).stat().st_size == file.size
        except OSError:
            return False

    def verify(self, files: Iterable[File]) -> None:
        """Verify several files and report every one that is missing or changed."""
        found: list[Diagnostic] = []
        for file in files:
            try:
                self.path(file)
            except MosaicError as error:
                found.extend(error.diagnostics)
        if found:
            raise MosaicError(*found)

    def bytes(self, file: File) -> bytes:
        """A small file's bytes."""
        try:
            return self.path(file).read_bytes()
        except OSError as error:
            raise MosaicError(_missing(file, error)) from error

    def json(self, file: File) -> dict[str, Any]:
        """A JSON object. Raises MosaicError (M860)."""
        try:
            value = json.loads(self.bytes(file))
        except (ValueError, RecursionError) as error:
            raise MosaicError(
                UnreadableConfiguration(span=None, location=file.location, reason=str(error))
            ) from error
        if not isinstance(value, dict):
            reason = "it is no JSON object"
            raise MosaicError(UnreadableConfiguration(span=None, location=file.location, reason=reason))
        return value

    def tensors(self, file: File, stopped: Callable[[], bool] = _never) -> dict[str, torch.Tensor]:
        """The tensors of a safetensors file, on the CPU in their stored precision, in the order of their
        names.

        Raises MosaicError (M852, M853).
        """
        _refuse_pickles(file)
        return dict(self.shelf.take(file.sha256, partial(self._opened, file, stopped)).tensors)

    def metadata(self, file: File) -> dict[str, str]:
        """The metadata of a safetensors file."""
        _refuse_pickles(file)
        known = self.shelf.known(file.sha256)
        return dict(known.metadata if known is not None else self._opened(file, read=False).metadata)

    def _opened(self, file: File, stopped: Callable[[], bool] = _never, read: bool = True) -> Opened:
        path = self.path(file, stopped)
        try:
            with safe_open(path, framework="pt", device="cpu") as opened:
                tensors: dict[str, torch.Tensor] = {}
                for name in sorted(opened.keys()) if read else ():
                    if stopped():
                        raise Stopped
                    tensors[name] = opened.get_tensor(name)
                return Opened(tensors, dict(opened.metadata() or {}))
        except SafetensorError as error:
            raise MosaicError(
                UnreadableWeights(span=None, location=file.location, reason=str(error))
            ) from error
        except OSError as error:
            raise MosaicError(_missing(file, error)) from error


def _missing(file: File, error: OSError) -> FileMissing:
    return FileMissing(
        span=None, location=file.location, role=file.role, reason=error.strerror or type(error).__name__
    )


def _refuse_pickles(file: File) -> None:
    if file.name.lower().endswith(_PICKLES) or file.location.lower().endswith(_PICKLES):
        raise MosaicError(PickleRefused(span=None, location=file.location))


def _sha256(path: Path, stopped: Callable[[], bool]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            if stopped():
                raise Stopped
            digest.update(chunk)
    return digest.hexdigest()
