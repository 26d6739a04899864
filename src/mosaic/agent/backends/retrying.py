"""Asking again: later each time, as the other side wishes, and not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from random import uniform
from typing import Final, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, stop_before_delay

T = TypeVar("T")

AGAIN: Final = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
"""Statuses of what may go well a little later."""


@dataclass(frozen=True)
class Patience:
    """How often something is asked for, and how long. Seconds."""

    attempts: int = 5
    total: float = 180.0  # from the first attempt to the begin of the last
    first: float = 0.5  # before the second attempt; then twice as long each time
    longest: float = 30.0  # between two attempts, unless the other side asks for more


PATIENT: Final = Patience()


class Failed(Exception):
    """A call that did not go well. It refers to no request and no answer of a library: those hold the key."""

    def __init__(
        self, reason: str, status: int | None = None, *, again: bool = False, after: float | None = None
    ) -> None:
        super().__init__(reason)
        self.reason, self.status, self.again, self.after = reason, status, again, after


def patiently(call: Callable[[], T], patience: Patience, sleep: Callable[[float], None] = time.sleep) -> T:
    """What a call gives, asked again where it fails for the moment. Raises Failed."""

    def wait(state: RetryCallState) -> float:
        outcome = state.outcome.exception() if state.outcome is not None else None
        after = outcome.after if isinstance(outcome, Failed) else None
        own = min(patience.first * 2 ** (state.attempt_number - 1), patience.longest)
        jittered = uniform(own / 2, own)
        return jittered if after is None else max(after + uniform(0, own / 2), jittered)

    return Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, Failed) and error.again),
        stop=stop_after_attempt(patience.attempts) | stop_before_delay(patience.total),
        wait=wait,
        sleep=sleep,
        reraise=True,
    )(call)


def seconds_to_wait(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """What `Retry-After` asks for: seconds, or a date (RFC 9110, section 10.2.3); None where it asks for nothing."""
    said = headers.get("retry-after", "").strip()
    if not said or len(said) > 100:
        return None
    if said.replace(".", "", 1).isdecimal() and said.isascii():
        return float(said)
    try:
        return max(parsedate_to_datetime(said).timestamp() - now(), 0.0)
    except (ValueError, OverflowError):
        return None


class Pace:
    """Holds calls to so many a minute, evenly."""

    def __init__(
        self,
        a_minute: float | None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._between = 60.0 / a_minute if a_minute else 0.0
        self._sleep, self._clock = sleep, clock
        self._next = float("-inf")

    def wait(self) -> None:
        """Wait until the next call may be made."""
        late = self._next - self._clock()
        if late > 0:
            self._sleep(late)
        self._next = max(self._clock(), self._next) + self._between
