"""`mosaic plan` says what a `find` chose, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mosaic.cli.app import app

PLAN = """mosaic 1
param words: text = "ink drawing on paper"
plan p {
  let base = checkpoint("zoo/base")
  let look = find(lora, words)
  emit sample(fuse(base, look), prompt: "a red cat, {look}") as "p.png"
}
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("MOSAIC_CATALOG", raising=False)
    (tmp_path / "p.mosaic").write_text(PLAN)
    return str(tmp_path / "p.mosaic")


def test_the_table_says_why(plan: str) -> None:
    result = CliRunner().invoke(app, ["plan", plan, "--set", "words=drawing on paper"])
    assert result.exit_code == 0, result.output
    _, _, found = result.stdout.partition("\n\npredicted\n")[0].partition("\nfound\n")
    first, after = found.splitlines()
    assert first.startswith("  zoo/watercolor for lora “drawing on paper”: answers to paper; style right in")
    assert after.startswith("    after it: zoo/")


def test_so_does_json(plan: str) -> None:
    result = CliRunner().invoke(app, ["plan", plan, "--json", "--set", "words=neon"])
    (find,) = json.loads(result.stdout)["finds"]
    assert find.keys() == {"kind", "words", "chosen", "reason", "others", "refused"}
    assert (find["kind"], find["words"], find["chosen"], find["refused"]) == ("lora", "neon", "zoo/neon", [])


def test_a_plan_without_one_has_none(plan: str) -> None:
    Path(plan).write_text(PLAN.replace("find(lora, words)", 'lora("zoo/neon")'))
    assert "\nfound\n" not in CliRunner().invoke(app, ["plan", plan]).stdout
    assert json.loads(CliRunner().invoke(app, ["plan", plan, "--json"]).stdout)["finds"] == []
