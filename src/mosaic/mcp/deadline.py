"""Work that has to end: a stranger's plan may be small and take for ever to compile."""

from __future__ import annotations

import ctypes
import threading
from types import TracebackType
from typing import Final, Self

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.serving import TooMuch

_AGAIN: Final = 0.25
"""Seconds after which what was not heard is said again."""
_TRIES: Final = 40
_TURNS: Final = 1000
"""More turns of a loop than it takes for what was said to a thread to arrive."""


class ExpiredError(BaseException):
    """Raised in the thread that works; nothing on the way takes it for an error of its own. Should it arrive in the
    instant between the work's end and `within`'s, whoever answers the question catches it."""


class within:
    """Raise MosaicError (M879) in this thread where what is inside takes longer than so many seconds.

    It is raised between two instructions of Python: a long call into a library is waited for.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._over, self._said = threading.Event(), threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        expired = kind is ExpiredError
        try:
            self._stop()
        except ExpiredError:
            self._stop()
            expired = True
        if expired:
            raise expired_after(self._seconds) from None

    def _watch(self) -> None:
        wait = self._seconds
        # Again and again: what falls into a destructor or a callback is lost there.
        for _ in range(_TRIES):
            if self._over.wait(wait):
                return
            wait = _AGAIN
            with self._lock:
                if not self._over.is_set():
                    self._said.set()
                    _raise_in(self._thread, ExpiredError)

    def _stop(self) -> None:
        with self._lock:
            self._over.set()
        if self._said.is_set():
            _take_in()


def expired_after(seconds: float) -> MosaicError:
    """What is told of work that was given up."""
    limit = f"{seconds:g}"
    return MosaicError(TooMuch(None, "seconds for one question", f"more than {limit}", limit))


def _take_in() -> None:
    """Let what was said to this thread and has not arrived yet arrive here, where it is expected.

    It is not taken back (`PyThreadState_SetAsyncExc` with NULL): CPython 3.11 would then look for it before every
    instruction from now on, and never get past the first one of a function while a profiler or tracer is set.
    """
    for _ in range(_TURNS):
        pass


def _raise_in(thread: int, error: type[BaseException]) -> None:
    """Have a thread raise an error soon."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
