"""`mosaic calibrate`: a machine is measured, and plans are priced by it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mosaic.cli.app import app
from mosaic.profiles import load_profile
from mosaic.runtime.calibrate import _attention


@pytest.mark.slow
def test_a_machine_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    result = CliRunner().invoke(app, ["calibrate", "--device", "cpu", "-o", str(path)])
    assert result.exit_code == 0
    assert "matrix products" in result.stdout
    profile = load_profile(path)
    assert (profile.device, profile.dtype, profile.is_estimate) == ("cpu", "float32", False)
    assert 1e8 < profile.rates.conv < 1e14
    assert set(profile.merge) == {"adds", "measures", "ranks", "draws", "sorts", "cut"}


def test_products_and_weighing_of_attention_are_told_apart() -> None:
    rows, products, weighed = 1024, 5e10, 1e9
    seconds = [4 * 320 * rows**2 / products + heads * rows**2 / weighed for heads in (5, 40)]
    assert _attention(seconds, rows) == pytest.approx((products, weighed))
