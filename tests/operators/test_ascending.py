"""Operands are sorted at each element before they are added up, so that their order means nothing."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mosaic.stdlib import arithmetic


@pytest.mark.parametrize("count", range(1, 11))
def test_comparators_sort_whatever_they_are_given(count: int) -> None:
    """What sorts all zeros and ones sorts everything (the 0-1 principle, Knuth 5.3.4)."""
    pairs = list(arithmetic.comparators(count))
    for given_ in itertools.product((0, 1), repeat=count):
        found = list(given_)
        for low, high in pairs:
            if found[low] > found[high]:
                found[low], found[high] = found[high], found[low]
        assert found == sorted(given_)


@pytest.mark.parametrize("count", [3, 4, 7, 32, 33, 40])
def test_as_a_library_sorts(count: int) -> None:
    drawn = torch.randn(count, 500, dtype=torch.float64, generator=torch.Generator().manual_seed(count))
    drawn[:, :100] = drawn[:, :100].round()  # many are equal
    assert torch.equal(torch.stack(arithmetic.ascending(list(drawn))), drawn.sort(dim=0).values)


@given(st.lists(st.sampled_from([0.0, -0.0, 1.5, -1.5, 1e300, -1e300, 2**-1074]), min_size=3, max_size=8))
def test_any_order_gives_the_same_bytes(terms: list[float]) -> None:
    def total(order: list[float]) -> bytes:
        base = torch.tensor([-0.0])
        deltas = [torch.tensor([each], dtype=torch.float64) for each in order]
        return bytes(arithmetic.weighted_sum(base, deltas, [1.0] * len(order)).numpy().tobytes())

    assert {total(list(order)) for order in itertools.islice(itertools.permutations(terms), 60)} == {
        total(terms)
    }


def test_work_is_cut_to_what_a_cache_holds_without_a_trace() -> None:
    size = 2 * arithmetic.IN_CACHE + 17
    base, *deltas = torch.randn(5, size, generator=torch.Generator().manual_seed(0))
    whole = arithmetic.weighted_sum(base, deltas, [0.5, -1, 2, 0.1])
    parts = [
        arithmetic.weighted_sum(base[at : at + 1000], [d[at : at + 1000] for d in deltas], [0.5, -1, 2, 0.1])
        for at in range(0, size, 1000)
    ]
    assert torch.equal(whole, torch.cat(parts))
