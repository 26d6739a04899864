"""Operators on predictions give shares, operators on the schedule give turns: their definitions and laws."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic import stdlib
from mosaic.compiler.operators import Acts, Law

torch = pytest.importorskip("torch")

OPERATORS = stdlib.find_operators()
MIXES = [name for name, operator in OPERATORS.items() if operator.acts is Acts.PREDICTIONS]
SCHEDULES = [name for name, operator in OPERATORS.items() if operator.acts is Acts.SCHEDULE]
WEIGHTS = st.lists(st.lists(st.floats(-2, 2, width=32), min_size=4, max_size=4), min_size=0, max_size=5)


def shares(name: str, weights: list[list[float]], **given: Any) -> Any:
    """The shares of operands whose weights are four places each."""
    stacked = torch.tensor(weights, dtype=torch.float32).reshape(len(weights), 2, 2)
    return OPERATORS[name].kernel(stacked, **given)


@pytest.mark.parametrize("name", MIXES)
@settings(max_examples=60, deadline=None)
@given(weights=WEIGHTS)
def test_shares_add_up_to_one_everywhere(name: str, weights: list[list[float]]) -> None:
    found = shares(name, weights)
    assert found.shape == (len(weights) + 1, 2, 2)
    torch.testing.assert_close(found.sum(0), torch.ones(2, 2), atol=2e-6, rtol=0)


@pytest.mark.parametrize("name", [name for name in MIXES if Law.SYMMETRIC in OPERATORS[name].laws])
@settings(max_examples=30, deadline=None)
@given(weights=WEIGHTS)
def test_symmetric_mixes_follow_their_operands(name: str, weights: list[list[float]]) -> None:
    first, *others = shares(name, weights)
    back, *reversed_others = shares(name, weights[::-1])
    torch.testing.assert_close(first, back, atol=2e-6, rtol=0)
    for one, other in zip(others, reversed(reversed_others), strict=True):
        torch.testing.assert_close(one, other, atol=2e-6, rtol=0)


@pytest.mark.parametrize("name", [name for name in MIXES if Law.IDENTITY_AT_ZERO in OPERATORS[name].laws])
@settings(max_examples=30, deadline=None)
@given(weights=WEIGHTS)
def test_an_operand_of_weight_zero_changes_no_share(name: str, weights: list[list[float]]) -> None:
    plain, with_zero = shares(name, weights), shares(name, [*weights, [0.0] * 4])
    assert torch.equal(with_zero[:-1], plain)
    assert not with_zero[-1].any()


def test_composite_by_its_definition() -> None:
    found = shares("composite", [[1, 1, 0, -0.5], [1, 3, 0, 0.5]])
    wanted = [[0, 0, 1, 0], [0.5, 0.25, 0, 0.5], [0.5, 0.75, 0, 0.5]]
    torch.testing.assert_close(found.reshape(3, 4), torch.tensor(wanted, dtype=torch.float32))


def test_guidance_by_its_definition() -> None:
    weights = [[0.25, 1, 0, -0.5], [0.25, 3, 0, 0]]
    wanted = [[0.5, 0, 1, 1.5], [0.25, 0.25, 0, -0.5], [0.25, 0.75, 0, 0]]
    torch.testing.assert_close(
        shares("guidance", weights).reshape(3, 4), torch.tensor(wanted, dtype=torch.float32)
    )
    whole = [[0.5, -3, 1, 1.5], [0.25, 1, 0, -0.5], [0.25, 3, 0, 0]]
    torch.testing.assert_close(
        shares("guidance", weights, conjunction=True).reshape(3, 4), torch.tensor(whole, dtype=torch.float32)
    )


def turns(
    name: str, total: int, *windows: tuple[int, int], given: list[float] | None = None, **more: Any
) -> Any:
    """Who denoises at each step."""
    parts = given or [1 / len(windows)] * len(windows)
    return list(OPERATORS[name].kernel(total, list(windows), parts, **more))


@pytest.mark.parametrize("name", SCHEDULES)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_only_those_whose_window_is_open_have_a_turn(name: str, data: Any) -> None:
    total = data.draw(st.integers(1, 30))
    bounds = st.tuples(st.integers(0, total), st.integers(0, total)).map(lambda pair: (min(pair), max(pair)))
    windows = data.draw(st.lists(bounds, min_size=1, max_size=5))
    more = (
        {"aware": data.draw(st.booleans()), "period": data.draw(st.integers(1, 4))}
        if name == "switch"
        else {}
    )
    found = turns(name, total, *windows, **more)
    assert len(found) == total
    for step, turn in enumerate(found):
        is_open = [first <= step < end for first, end in windows]
        assert turn >= 0 or not any(is_open)
        assert turn < 0 or is_open[turn]


def test_switch_by_its_definition() -> None:
    assert turns("switch", 6, (0, 6), (0, 6)) == [0, 1, 0, 1, 0, 1]
    assert turns("switch", 7, (0, 7), (0, 7), (0, 7), period=2) == [0, 0, 1, 1, 2, 2, 0]
    assert turns("switch", 6, (0, 3), (2, 6)) == [0, 0, 0, 1, 1, 1]
    assert turns("switch", 6, (0, 2), (4, 6)) == [0, 0, -1, -1, 1, 1]
    assert turns("switch", 6, (0, 6), (0, 6), last=2) == [0, 1, 0, 1, 0, 0]


@settings(max_examples=60, deadline=None)
@given(parts=st.lists(st.floats(0.05, 1), min_size=1, max_size=5), period=st.integers(1, 3))
def test_an_aware_switch_keeps_to_its_shares(parts: list[float], period: int) -> None:
    total, whole = 40, sum(parts)
    wanted = [part / whole for part in parts]
    found = turns("switch", total, *[(0, total)] * len(parts), given=wanted, aware=True, period=period)
    for end in range(period, total + 1, period):
        for i, part in enumerate(wanted):
            # Each is within its own turn and one of each of the others of its share.
            assert abs(found[:end].count(i) - part * end) <= period * len(parts)
    counts = [found.count(i) for i in range(len(parts))]
    assert sum(counts) == total


def test_chain_by_its_definition() -> None:
    assert turns("chain", 6, (0, 6), (0, 6)) == [0, 0, 0, 1, 1, 1]
    assert turns("chain", 7, (0, 7), (0, 7), (0, 7)) == [0, 0, 0, 1, 1, 2, 2]
    assert turns("chain", 6, (0, 2)) == [0, 0, -1, -1, -1, -1]
    assert turns("chain", 6, (0, 6), (4, 6)) == [0, 0, 0, 0, 1, 1]
    assert turns("chain", 6, (0, 4), (2, 6)) == [0, 0, 1, 1, 1, 1]
    assert turns("chain", 8, (0, 8), (0, 8), lead=0.25) == [-1, -1, 0, 0, 0, 1, 1, 1]
