"""Regions of a latent: covered cells, soft edges, pictures."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.compiler.program import Mask, Rectangle
from mosaic.runtime.regions import weights

PARTS = st.floats(0, 1)


def no_pictures(index: int) -> Any:
    raise AssertionError(f"picture {index} was asked for")


def rectangle(x: float, y: float, width: float, height: float, feather: float = 0.0) -> Any:
    return weights(Rectangle(x=x, y=y, width=width, height=height, feather=feather), 8, 12, no_pictures)


def test_the_whole_canvas_is_one_everywhere() -> None:
    assert torch.equal(rectangle(0, 0, 1, 1), torch.ones(8, 12))
    assert torch.equal(rectangle(0, 0, 1, 1, 0.3), torch.ones(8, 12))


def test_halves_are_exact() -> None:
    left = rectangle(0, 0, 0.5, 1)
    assert torch.equal(left[:, :6], torch.ones(8, 6))
    assert torch.equal(left[:, 6:], torch.zeros(8, 6))


def test_an_edge_counts_by_the_part_of_the_cell() -> None:
    left = rectangle(0, 0, 0.3, 1)  # 3.6 cells
    torch.testing.assert_close(left[0], torch.tensor([1.0, 1, 1, 0.6, 0, 0, 0, 0, 0, 0, 0, 0]))


@settings(max_examples=80, deadline=None)
@given(cut=PARTS, other=PARTS, feather=st.floats(0, 0.5))
def test_what_tiles_the_canvas_adds_up_to_one(cut: float, other: float, feather: float) -> None:
    # Soft edges of neighbours are equally wide only where their shorter sides are; hard ones always add up.
    parts = [rectangle(0, 0, cut, other), rectangle(cut, 0, 1 - cut, other)]
    parts += [rectangle(0, other, cut, 1 - other), rectangle(cut, other, 1 - cut, 1 - other)]
    torch.testing.assert_close(sum(parts), torch.ones(8, 12), atol=1e-6, rtol=0)
    halves = rectangle(0, 0, 0.5, 1, feather) + rectangle(0.5, 0, 0.5, 1, feather)
    torch.testing.assert_close(halves, torch.ones(8, 12), atol=1e-6, rtol=0)


def test_a_soft_edge_is_a_ramp() -> None:
    row = rectangle(0, 0, 0.5, 1, 0.5)[0]
    assert bool((row.diff() <= 0).all())
    assert 0 < float(row[5]) < 1
    torch.testing.assert_close(float(row.sum()), 6.0)


def test_a_picture_is_averaged_over_cells_and_softened() -> None:
    grey = torch.zeros(32, 48)
    grey[:, :24] = 1.0
    hard = weights(Mask(file=0), 8, 12, lambda index: grey)
    assert torch.equal(hard, rectangle(0, 0, 0.5, 1))
    soft = weights(Mask(file=0, feather=0.5), 8, 12, lambda index: grey)
    assert bool((soft[0].diff() <= 0).all())
    assert float(soft[0, 0]) == pytest.approx(1)
    assert 0 < float(soft[0, 6]) < 1
