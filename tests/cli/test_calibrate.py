"""`mosaic calibrate`: a machine is measured, and plans are priced by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mosaic.cli.app import app
from mosaic.profiles import load_profile, save_profile, user_profile
from mosaic.runtime.calibrate import _attention
from mosaic.stdlib import find_profiles


@pytest.mark.slow
def test_a_machine_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    result = CliRunner().invoke(app, ["calibrate", "--device", "cpu", "-o", str(path)])
    assert result.exit_code == 0
    assert "matrix products" in result.stdout
    profile = load_profile(path)
    assert (profile.device, profile.dtype, profile.is_estimate) == ("cpu", "float32", False)
    assert 1e8 < profile.rates.conv < 1e14
    assert set(profile.merge) == {"adds", "measures", "ranks", "draws", "sorts", "compared", "cut"}
    assert profile.launch > 0
    assert profile.merge["compared"] > 0


def test_products_and_weighing_of_attention_are_told_apart() -> None:
    rows, products, weighed = 1024, 5e10, 1e9
    seconds = [4 * 320 * rows**2 / products + heads * rows**2 / weighed for heads in (5, 40)]
    assert _attention(seconds, rows) == pytest.approx((products, weighed))


def test_runs_teach_the_users_own_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("MOSAIC_PROFILE", raising=False)
    measured = replace(load_profile(find_profiles()["cpu-8"]), is_estimate=False)
    save_profile(user_profile(), measured)
    plan = tmp_path / "p.mosaic"
    plan.write_text(PLAN)
    arguments = [
        "run",
        str(plan),
        "-o",
        str(tmp_path),
        "--device",
        "cpu",
        "--no-cache",
        "--set",
        "seed=1,2,3",
    ]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    ratio = load_profile(user_profile()).ratio("denoise")
    assert ratio.runs == 3
    assert ratio.p50 > 0


PLAN = """\
mosaic 1
param seed: int = 1
plan p {
  emit sample(checkpoint("zoo/base"), prompt: "a red cat", steps: 2, size: 64x64, seed: seed) as "a.png"
}
"""
