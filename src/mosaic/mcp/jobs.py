"""Runs that clients asked for: one at a time, in the order of asking, in a thread of their own."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mosaic.compiler.diagnostic import Diagnostic, InternalError, MosaicError
from mosaic.compiler.errors.face import InternalFault
from mosaic.compiler.errors.serving import TooMuch, UnknownJob
from mosaic.mcp import bounds
from mosaic.mcp.values import State

if TYPE_CHECKING:
    from mosaic.api.session import Outcome

_JOIN: Final = 10.0
"""Seconds that the end of a server waits for the run at work to notice it."""


class CancelledError(Exception):
    """The server ends."""


@dataclass(eq=False)
class Ticket:
    """A run, as far as it is. Only its queue changes it, but for the progress that the run itself tells."""

    id: str
    folder: Path
    work: Callable[[Ticket], Outcome] = field(repr=False)
    state: State = "queued"
    stage: str = ""
    done: int = 0
    total: int = 0
    outcome: Outcome | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    stopped: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def is_over(self) -> bool:
        """Whether nothing of it will change."""
        return self.state not in ("queued", "running")

    @property
    def report(self) -> Path:
        """Where its report is written."""
        return self.folder / "report"

    @property
    def files(self) -> Path:
        """Where its files are written."""
        return self.folder / "files"


class Following:
    """Implements `mosaic.runtime.progress.Progress` for a ticket; a run that is stopped ends at the next word of it."""

    def __init__(self, ticket: Ticket) -> None:
        self._ticket = ticket

    def stage(self, label: str, total: int) -> None:
        """See Progress. Raises CancelledError."""
        self._ticket.stage, self._ticket.done, self._ticket.total = label, 0, total
        self._go_on()

    def advance(self, done: int) -> None:
        """See Progress. Raises CancelledError."""
        self._ticket.done = done
        self._go_on()

    def finish(self) -> None:
        """See Progress."""

    def _go_on(self) -> None:
        if self._ticket.stopped.is_set():
            raise CancelledError


class Jobs:
    """A bounded queue. Runs that are over can be asked for until `MOST_KEPT` newer ones are."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._tickets: dict[str, Ticket] = {}
        self._waiting: deque[Ticket] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def put(self, work: Callable[[Ticket], Outcome]) -> Ticket:
        """Queue a run. Raises MosaicError (M879) where too many wait."""
        with self._changed:
            if len(self._waiting) >= bounds.MOST_WAITING:
                raise MosaicError(
                    TooMuch(None, "runs that wait", str(len(self._waiting) + 1), str(bounds.MOST_WAITING))
                )
            id = f"job-{secrets.token_hex(6)}"
            ticket = Ticket(id, self._output / id, work)
            if self._closed:
                ticket.state = "cancelled"
                return ticket
            self._tickets[id] = ticket
            self._waiting.append(ticket)
            self._forget()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="mosaic-mcp-runs", daemon=True)
                self._thread.start()
            self._changed.notify_all()
            return ticket

    def get(self, id: str, what: str = "the state") -> Ticket:
        """A run by its id. Raises MosaicError (M877)."""
        with self._changed:
            if id not in self._tickets:
                raise MosaicError(UnknownJob(None, what, bounds.shown(id, 80), "there is no such job"))
            return self._tickets[id]

    def ahead(self, ticket: Ticket) -> int:
        """How many runs come before a queued one, the one at work among them."""
        with self._changed:
            if ticket not in self._waiting:
                return 0
            running = any(each.state == "running" for each in self._tickets.values())
            return self._waiting.index(ticket) + running

    def close(self) -> None:
        """Cancel what waits and what is at work."""
        with self._changed:
            self._closed = True
            for ticket in self._waiting:
                ticket.state = "cancelled"
            self._waiting.clear()
            for ticket in self._tickets.values():
                ticket.stopped.set()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_JOIN)

    def _forget(self) -> None:
        over = [ticket.id for ticket in self._tickets.values() if ticket.is_over]
        for id in over[: max(0, len(over) - bounds.MOST_KEPT)]:
            del self._tickets[id]

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                ticket = self._waiting.popleft()
                ticket.state = "running"
            state = _run(ticket)
            with self._changed:
                ticket.state = state
                self._forget()


def _run(ticket: Ticket) -> State:
    try:
        ticket.outcome = ticket.work(ticket)
    except CancelledError:
        return "cancelled"
    except MosaicError as error:
        ticket.diagnostics = error.diagnostics
        return "failed"
    except InternalError as error:
        ticket.diagnostics = (InternalFault(None, str(error)),)
        return "failed"
    except Exception as error:  # a thread that dies would leave every later run waiting for ever
        ticket.diagnostics = (InternalFault(None, f"{type(error).__name__} while running"),)
        return "failed"
    return "done"
