"""A service served: over standard input and output, or over HTTP, until the client leaves or somebody ends it."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import anyio
import uvicorn

from mosaic.api.faults import UsageError
from mosaic.mcp.server import Service

_BACKLOG: Final = 64


def serve_standard(service: Service) -> None:
    """Serve one client over standard input and output, until that ends."""
    with _Ending(service):
        service.server().run("stdio")


def serve_http(service: Service, host: str, port: int) -> None:
    """Serve streamable HTTP at /mcp; port 0 is any that is free. Raises UsageError where it cannot listen."""
    with _listening(host, port) as listener:
        found = listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        application = service.server().streamable_http_app(host=host)
        server = _Server(uvicorn.Config(application, log_level="warning", access_log=False))
        with _Ending(service):
            print(f"serving http://{shown}:{found}/mcp", file=sys.stderr, flush=True)
            anyio.run(server.serve, [listener])


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise UsageError(f"{host}:{port}: {error.strerror or error}", "--http") from None
    with listener:
        yield listener


class _Server(uvicorn.Server):
    """Leaves signals alone: it would wait for clients that never close their streams."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See uvicorn."""
        yield


class _Ending:
    """Ends the process at SIGINT and SIGTERM, after the service was closed.

    A thread does so: raising from a handler would leave the one that waits for standard input waiting for ever.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self._heard)

    def __exit__(self, *raised: object) -> None:
        if self._thread is not None:
            self._thread.join()

    def _heard(self, number: int, frame: object) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._end, args=(number,))
            self._thread.start()

    def _end(self, number: int) -> None:
        try:
            self._service.close()
            if number == signal.SIGINT:
                print("interrupted; every file that was written is whole", file=sys.stderr, flush=True)
        finally:
            os._exit(128 + number)
