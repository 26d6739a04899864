"""Work that has to end: a stranger's plan may be small and take for ever to compile."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.serving import TooMuch


class _ExpiredError(BaseException):
    """Raised in the thread that works; nothing on the way takes it for an error of its own."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise MosaicError (M879) in this thread where what is inside takes longer.

    It is raised between two instructions of Python: a long call into a library is waited for.
    """
    thread, lock = threading.get_ident(), threading.Lock()
    state = {"over": False, "fired": False}

    def fire() -> None:
        with lock:
            if not state["over"]:
                state["fired"] = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(thread), ctypes.py_object(_ExpiredError)
                )

    timer = threading.Timer(seconds, fire)
    timer.daemon = True
    timer.start()
    arrived = False
    try:
        try:
            yield
        except _ExpiredError:
            arrived = True
        finally:
            with lock:
                state["over"] = True
            timer.cancel()
            while (
                state["fired"] and not arrived
            ):  # what was fired at the last moment comes here, and not later
                time.sleep(0.001)
    except _ExpiredError:
        arrived = True
    if arrived:
        raise MosaicError(TooMuch(None, "seconds for one question", f"more than {seconds:g}", f"{seconds:g}"))
