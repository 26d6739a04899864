"""Work that is given up."""

from __future__ import annotations

import time

import pytest

from mosaic.compiler.diagnostic import MosaicError
from mosaic.mcp.deadline import within


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
