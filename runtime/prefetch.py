"""The files of an invocation, verified and read beside the work, in the order in which they are needed.

While one program denoises, a thread computes digests of the files of the next ones, and reads them as far as the shelf
has room. What computes meanwhile verifies and reads for itself what it needs earlier; no file is read by both. Nothing
is written before every file was found to be what the programs say, and what is wrong with any of them is told together,
so a run ends as it would if all were verified first.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType

from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.program import File
from mosaic.runtime.files import Reader, Stopped

_PATIENCE = 0.05
"""Seconds from one look for room to the next."""


class Prefetch:
    """Verifies files, then reads ahead as many of some of them as the reader's shelf has room for, until the block is
    left.

    Raises MosaicError at once where a file is missing or has another size.
    """

    def __init__(self, reader: Reader, files: Iterable[File], ahead: Iterable[File]) -> None:
        self._reader = reader
        self._files = tuple({(file.sha256, file.location): file for file in files}.values())
        self._ahead = tuple({file.sha256: file for file in ahead}.values())
        self._stop = threading.Event()
        self._verified = threading.Event()
        self._found: list[Diagnostic] = []
        self._is_whole = False
        self._thread = threading.Thread(target=self._run, name="mosaic-prefetch", daemon=True)

    def __enter__(self) -> Prefetch:
        if not all(map(self._reader.is_likely, self._files)):
            self._reader.verify(self._files)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def verified(self) -> None:
        """Wait until all files are verified. Raises MosaicError with every one that was changed."""
        self._verified.wait()
        if not self._is_whole:
            self._reader.verify(self._files)  # the thread gave up: what stopped it is met here
        if self._found:
            raise MosaicError(*self._found)

    def _run(self) -> None:
        try:
            self._verify()
            self._is_whole = True
            self._verified.set()
            self._read()
        except Stopped:
            pass  # the work is over
        finally:
            self._verified.set()

    def _verify(self) -> None:
        for file in self._files:
            try:
                self._reader.path(file, self._stop.is_set)
            except MosaicError as error:
                self._found.extend(error.diagnostics)

    def _read(self) -> None:
        shelf = self._reader.shelf
        for file in self._ahead:
            if not file.name.endswith(".safetensors") or file.size > shelf.limit:
                continue
            while shelf.expects(file.sha256) and not shelf.has_room(file.size):
                if self._stop.wait(_PATIENCE):
                    return
            if shelf.expects(file.sha256):
                with suppress(MosaicError):  # told when it is needed
                    self._reader.tensors(file, self._stop.is_set)
