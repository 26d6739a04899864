"""The README is the one that index and scores give."""

from __future__ import annotations

import pytest

pytest.importorskip("numpy")

import mosaic.stdlib.zoo as zoo
from mosaic.stdlib.zoo import card, score


def test_the_readme_is_up_to_date() -> None:
    assert (zoo.root() / "README.md").read_text() == card.render()


def test_wilson_intervals_hold_the_share_and_stay_within_bounds() -> None:
    assert score.wilson(0, 50)[0] == 0
    assert score.wilson(50, 50)[1] == pytest.approx(1)
    low, high = score.wilson(95, 100)
    assert low == pytest.approx(0.8882, abs=1e-3)
    assert high == pytest.approx(0.9785, abs=1e-3)
