"""The page that shows the last round, on this machine alone."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from threading import Condition, Thread
from typing import Any, Final

LOOPBACK: Final = "127.0.0.1"
_ALIVE: Final = 10.0  # seconds between two signs of life of an event stream
_TYPES: Final = {".png": "image/png"}


@dataclass(frozen=True)
class Shown:
    """One plan as the page shows it: what is said of it, when, the pictures of its last run, what runs as SVG."""

    plan: str
    when: str
    said: str = ""
    pictures: Sequence[Path] = ()
    drawing: str = ""


class Page:
    """Serves what it was last given. Raises OSError where the port is taken; 0 is any that is free."""

    def __init__(self, port: int = 0) -> None:
        self._shown: tuple[Shown, ...] = ()
        self._files: Mapping[str, Path | str] = {}
        self._round = 0
        self._open = True
        self._changed = Condition()
        self._server = _Server((LOOPBACK, port), _handler(self))
        Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it is served."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The same for people."""
        return f"http://{LOOPBACK}:{self.port}/"

    def show(self, shown: Sequence[Shown]) -> None:
        """From now on show these, and serve their pictures and no other file."""
        with self._changed:
            self._round += 1
            self._shown = tuple(shown)
            served = [file for each in shown for file in _served(each)]
            self._files = {f"/files/{number}": file for number, file in enumerate(served)}
            self._changed.notify_all()

    def body(self) -> str:
        """What changes of the page, as HTML."""
        with self._changed:
            addresses = iter(self._files)
            return "".join(self._plan(each, [next(addresses) for _ in _served(each)]) for each in self._shown)

    def file(self, address: str) -> Path | str | None:
        """The picture of an address, or the text of the drawing."""
        return self._files.get(address.partition("?")[0])

    def wait(self, seen: int) -> int | None:
        """The number of the round when it is another than the one that was seen; the same after a while; None when the
        page closes."""
        with self._changed:
            self._changed.wait_for(lambda: self._round != seen or not self._open, _ALIVE)
            return self._round if self._open else None

    def close(self) -> None:
        """Serve no more."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def _plan(self, shown: Shown, addresses: Sequence[str]) -> str:
        figures = "".join(
            f'<figure><img src="{address}?{self._round}" alt=""><figcaption>{escape(path.name)}</figcaption></figure>'
            for address, path in zip(addresses, shown.pictures, strict=False)
        )
        said = f"<pre>{escape(shown.said)}</pre>" if shown.said else ""
        drawn = _drawn(f"{addresses[-1]}?{self._round}", escape(shown.plan)) if shown.drawing else ""
        return f"<h2>{escape(shown.plan)}</h2><p>{escape(shown.when)}</p>{said}{figures}{drawn}"


def _served(shown: Shown) -> tuple[Path | str, ...]:
    """What a plan's part of the page asks for: its pictures, then its drawing."""
    return (*shown.pictures, *((shown.drawing,) if shown.drawing else ()))


def _drawn(address: str, plan: str) -> str:
    picture = f'<a href="{address}" target="_blank"><img src="{address}" alt="the graph of {plan}"></a>'
    return f'<details id="{plan}"><summary>what runs</summary>{picture}</details>'


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Readers come and go: that is nothing to tell."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _handler(page: Page) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # Another site's script could reach this server by a name that it points here: such a name is refused.
            if self.headers.get("Host") not in (f"{LOOPBACK}:{page.port}", f"localhost:{page.port}"):
                self.send_error(403)
            elif self.path == "/":
                nonce = secrets.token_urlsafe(16)
                text = files("mosaic.live").joinpath("page.html").read_text(encoding="utf-8")
                text = text.replace("NONCE", nonce).replace("BODY", page.body())
                self._send(text.encode(), "text/html; charset=utf-8", nonce)
            elif self.path == "/body":
                self._send(page.body().encode(), "text/html; charset=utf-8")
            elif self.path == "/events":
                self._events()
            else:
                self._file()

        def _file(self) -> None:
            file = page.file(self.path)
            if isinstance(file, str):
                self._send(file.encode(), "image/svg+xml; charset=utf-8")
                return
            try:
                data = file.read_bytes() if file is not None else None
            except OSError:
                data = None
            if file is None or data is None:
                self.send_error(404)
                return
            self._send(data, _TYPES.get(file.suffix, "application/octet-stream"))

        def _send(self, data: bytes, kind: str, nonce: str = "") -> None:
            script = f"script-src 'nonce-{nonce}'; " if nonce else ""
            policy = (
                f"default-src 'none'; {script}style-src 'unsafe-inline'; img-src 'self'; connect-src 'self'"
            )
            self.send_response(200)
            for name, value in (
                ("Content-Type", kind),
                ("Content-Length", str(len(data))),
                ("Content-Security-Policy", policy),
                ("X-Content-Type-Options", "nosniff"),
                ("Cache-Control", "no-store"),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def _events(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            seen = -1
            try:
                while (number := page.wait(seen)) is not None:
                    told = f"data: {number}\n\n" if number != seen else ": here\n\n"
                    self.wfile.write(told.encode())
                    self.wfile.flush()
                    seen = number
            except OSError:  # the reader went away
                return

        def log_message(self, format: str, *args: object) -> None:
            """Standard error is for messages."""

    return Handler
