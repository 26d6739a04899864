"""Work that is given up."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable

import pytest

from mosaic.compiler.diagnostic import MosaicError
from mosaic.mcp.deadline import ExpiredError, within


def test_what_ends_in_time_is_left_alone() -> None:
    with within(60):
        done = sum(range(1000))
    assert done == 499500
    with pytest.raises(KeyError), within(60):
        raise KeyError


def test_what_does_not_end_is_ended() -> None:
    with pytest.raises(MosaicError, match="M879"), within(0.05):
        while True:
            time.sleep(0.001)


def test_nothing_comes_late() -> None:
    ended = 0
    for number in range(200):
        try:
            with within(0.001):
                time.sleep(0.0005 + number * 0.000005)
        except MosaicError:
            ended += 1
    time.sleep(0.05)
    assert 0 <= ended <= 200


def profiled(work: Callable[[], object]) -> list[str]:
    """What a profiler sees of some work."""
    events: list[str] = []
    sys.setprofile(lambda frame, event, argument: events.append(event))
    try:
        work()
    finally:
        sys.setprofile(None)
    return events


def test_the_interpreter_is_left_as_it_was() -> None:
    """A profiler works after a deadline that was not needed, one that passed, and one that passed at the very end."""

    def stepped() -> int:
        return 1

    for seconds, work in ((30.0, 0.0), (0.02, 0.3), (0.05, 0.05)):
        with contextlib.suppress(MosaicError, ExpiredError), within(seconds):
            end = time.monotonic() + work
            while time.monotonic() < end:
                stepped()
        assert "call" in profiled(stepped)
