"""`mosaic run --batch` and `--strict`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mosaic.cli.app import app

PLAN = """\
mosaic 1

param seed: int = 1

plan cats {
  emit sample(checkpoint("zoo/base"), prompt: "a red cat", steps: 2, size: 16x16, seed: seed) as "cat.png"
}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cats.mosaic").write_text(PLAN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_sweep_in_batches_says_so(here: Path) -> None:
    words = ["run", "cats.mosaic", "--no-cache", "--set", "seed=1..3", "--batch", "4"]
    done = CliRunner().invoke(app, [*words, "--json", "--report", "report"])
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert [file["batched"] for file in shown["emitted"]] == [True] * 3
    assert shown["evaluations"] == 2 * 2
    report = json.loads((here / "report" / "seed-2" / "report.json").read_text())
    assert [file["batched"] for file in report["emitted"]] == [True]
    assert "the same up to floating point" in (here / "report" / "seed-2" / "report.html").read_text()
    told = CliRunner().invoke(app, words).stdout
    assert "3 files were made in batches with other runs: the same up to floating point" in told


def test_a_run_alone_is_exact(here: Path) -> None:
    alone = json.loads(CliRunner().invoke(app, ["run", "cats.mosaic", "--no-cache", "--json"]).stdout)
    asked = json.loads(
        CliRunner().invoke(app, ["run", "cats.mosaic", "--no-cache", "--json", "--batch", "16"]).stdout
    )
    strict = json.loads(
        CliRunner().invoke(app, ["run", "cats.mosaic", "--no-cache", "--json", "--strict"]).stdout
    )
    assert alone["emitted"] == asked["emitted"] == strict["emitted"]


def test_no_rows_at_all(here: Path) -> None:
    assert CliRunner().invoke(app, ["run", "cats.mosaic", "--batch", "0"]).exit_code == 2
