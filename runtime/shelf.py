"""Files that were read, for those that read them again: an invocation says how often each will be.

A sweep over strengths fuses the same adapters again and again, and an operator reads one for every leaf of a model.
What was read stays until the last instruction that reads it, as long as there is room; what comes when there is none is
read again. Nothing changes a tensor once it is read, so all readers share it.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Opened:
    """What a safetensors file holds: tensors in the order of their names, and metadata."""

    tensors: Mapping[str, torch.Tensor]
    metadata: Mapping[str, str]

    @property
    def nbytes(self) -> int:
        """How much memory the tensors take."""
        return sum(tensor.nbytes for tensor in self.tensors.values())


class Shelf:
    """Opened files by digest, at most `limit` bytes. Several threads may use it; each file is read by one of them."""

    def __init__(self, limit: int = 0) -> None:
        self.limit = limit
        self._expected: Counter[str] = Counter()
        self._held: dict[str, Opened] = {}
        self._used = 0
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._all = threading.Lock()

    def expect(self, digest: str) -> None:
        """One more instruction is going to read a file."""
        self._expected[digest] += 1

    def done(self, digest: str) -> None:
        """An instruction that reads a file is over."""
        with self._all:
            self._expected[digest] -= 1
            if self._expected[digest] <= 0:
                self._drop(digest)

    def clear(self) -> None:
        """Nothing is expected any more."""
        with self._all:
            self._expected.clear()
            for digest in list(self._held):
                self._drop(digest)

    def has_room(self, size: int) -> bool:
        """Whether a file of so many bytes can be kept."""
        return self._used + size <= self.limit

    def expects(self, digest: str) -> bool:
        """Whether an instruction is going to read a file that is not here."""
        return self._expected[digest] > 0 and digest not in self._held

    def known(self, digest: str) -> Opened | None:
        """What is here of a file."""
        return self._held.get(digest)

    def take(self, digest: str, read: Callable[[], Opened]) -> Opened:
        """A file, which `read` reads where it is not here."""
        with self._all:
            lock = self._locks[digest]
        with lock:
            known = self._held.get(digest)
            if known is not None:
                return known
            opened = read()
            with self._all:
                if self._expected[digest] > 0 and self.has_room(opened.nbytes):
                    self._held[digest] = opened
                    self._used += opened.nbytes
            return opened

    def _drop(self, digest: str) -> None:
        found = self._held.pop(digest, None)
        if found is not None:
            self._used -= found.nbytes
