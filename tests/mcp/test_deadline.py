"""Work that is given up."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import pytest

from mosaic.compiler.diagnostic import MosaicError
from mosaic.mcp.deadline import within


def test_what_ends_in_time_is_left_alone() -> None:
    assert within(60, lambda: sum(range(1000))) == 499500

    def wrong() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        within(60, wrong)


def busy(seconds: float) -> int:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return 1


def test_what_does_not_end_is_ended() -> None:
    with pytest.raises(MosaicError, match="M879"):
        within(0.05, lambda: busy(3600))


def test_what_swallows_its_end_is_ended_too() -> None:
    def stubborn() -> None:
        for _ in range(3):
            try:
                busy(3600)
            except MosaicError:
                continue

    with pytest.raises(MosaicError, match="M879"):
        within(0.05, lambda: (stubborn(), busy(3600)))


def test_nothing_comes_late() -> None:
    """Whoever asks is never interrupted, however close to its end a deadline passes."""
    ended = finished = 0
    for number in range(200):
        try:
            finished += within(0.001, lambda rest=0.0005 + number * 0.000005: busy(rest))  # type: ignore[misc]
        except MosaicError:
            ended += 1
    busy(0.3)  # longer than what was not heard takes to be said again
    assert ended + finished == 200


def profiled(work: Callable[[], object]) -> list[str]:
    """What a profiler sees of some work."""
    events: list[str] = []
    sys.setprofile(lambda frame, event, argument: events.append(event))
    try:
        work()
    finally:
        sys.setprofile(None)
    return events


@pytest.mark.parametrize(("seconds", "work"), [(30.0, 0.0), (0.02, 0.3), (0.05, 0.05)])
def test_the_interpreter_is_left_as_it_was(seconds: float, work: float) -> None:
    """A profiler works after a deadline that was not needed, one that passed, and one that passed at the very end."""
    try:
        within(seconds, lambda: busy(work))
    except MosaicError:
        assert seconds < 30
    assert "call" in profiled(lambda: busy(0))
