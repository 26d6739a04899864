"""Work that has to end: a stranger's plan may be small and take for ever to compile."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.serving import TooMuch

_AGAIN: Final = 0.25
"""Seconds after which what was not heard is said again."""


class _ExpiredError(BaseException):
    """Raised in the thread that works; nothing on the way takes it for an error of its own."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise MosaicError (M879) in this thread where what is inside takes longer.

    It is raised between two instructions of Python: a long call into a library is waited for.
    """
    thread, lock, over = threading.get_ident(), threading.Lock(), threading.Event()

    def watch() -> None:
        wait = seconds
        # Again and again: what falls into a destructor or a callback is lost there.
        while not over.wait(wait):
            wait = _AGAIN
            with lock:
                if not over.is_set():
                    _raise_in(thread, _ExpiredError)

    def stop() -> None:
        with lock:
            over.set()
            _raise_in(thread, None)  # what has not arrived by now never will

    threading.Thread(target=watch, daemon=True).start()
    try:
        try:
            yield
        finally:
            stop()
    except _ExpiredError:
        stop()
        raise MosaicError(
            TooMuch(None, "seconds for one question", f"more than {seconds:g}", f"{seconds:g}")
        ) from None


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Have a thread raise an error soon; None takes back what it has not raised yet."""
    wanted = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), wanted)
