"""Work that has to end: a stranger's plan may be small and take for ever to compile."""

from __future__ import annotations

import contextvars
import ctypes
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.serving import TooMuch

_AGAIN: Final = 0.25
"""Seconds after which what was not heard is said again: what falls into a destructor or a callback is lost there."""
_TRIES: Final = 40

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T]) -> T:
    """What some work gives, or MosaicError (M879) where it takes longer than so many seconds.

    The work has a thread of its own, in which the error is raised between two instructions of Python; whoever asked is
    never interrupted. A long call into a library is waited for, some seconds; after that the thread is left to itself.
    """
    limit = f"{seconds:g}"
    told = TooMuch(None, "seconds for one question", f"more than {limit}", limit)

    class ExpiredError(MosaicError):
        """Raised from outside, which gives it no arguments."""

        def __init__(self) -> None:
            super().__init__(told)

    found: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:
            failed.append(error)

    # What the asking thread has set for itself (decimal contexts, loggers) holds for the work, too.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True)
    thread.start()
    thread.join(seconds)
    for _ in range(_TRIES):
        if not thread.is_alive() or thread.ident is None:
            break
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(ExpiredError)
        )
        thread.join(_AGAIN)
    if found:
        return found[0]
    raise failed[0] if failed else ExpiredError()
