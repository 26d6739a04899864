"""`mosaic plan` and `mosaic check` for a device: what is predicted, and budgets that hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mosaic.cli.app import app

PLAN = """\
mosaic 1

plan two {{
  budget {{ {budget} }}

  let base = checkpoint("zoo/base")
  let hat = lora("zoo/hat")
  let neon = lora("zoo/neon")

  emit sample(fuse(base, hat, neon), prompt: "a red cat, {{hat}}, {{neon}}", size: 64x64) as "two.png"
}}
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "two.mosaic"


def run(*arguments: str, code: int = 0, only_out: bool = False) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.stdout if only_out else result.output


def test_the_table_says_what_is_taken_what_it_costs_and_what_else_there_was(told: Path) -> None:
    told.write_text(PLAN.format(budget="latency: 10s, memory: 8GiB"))
    text = run("plan", "two.mosaic", "--device", "h100")
    assert "on NVIDIA H100" in text
    assert "an estimate" in text
    assert "20 model evaluations" in text
    assert "of 10s" in text
    rows = [line.split() for line in text.partition("predicted")[2].splitlines() if line.strip()]
    taken = [row[0] for row in rows if row[-1] == "taken"]
    assert taken == ["balance"]
    assert any(row[0] == "sum" and row[-1] != "taken" for row in rows)


def test_the_same_as_json(told: Path) -> None:
    told.write_text(PLAN.format(budget="latency: 10s"))
    predicted = json.loads(run("plan", "two.mosaic", "--json", "--device", "rtx-3060", only_out=True))[
        "predicted"
    ]
    assert predicted["device"]["class"] == "cuda"
    assert predicted["device"]["estimate"] is True
    assert 0 < predicted["warm"]["p50"] <= predicted["warm"]["p90"]
    assert predicted["warm"]["p50"] <= predicted["cold"]["p50"]
    assert predicted["quality"] == 1
    assert predicted["alternatives"][0]["operators"] == ["sum"]


def test_the_steps_that_a_range_came_to_are_told(told: Path) -> None:
    """With the reason, and beside what else was priced; a run then knows a plain number."""
    ranged = PLAN.replace("size: 64x64", "size: 64x64, steps: 12..30")
    told.write_text(ranged.format(budget="latency: 10min"))
    assert "30 of 12..30 steps: nothing asks for fewer" in run("plan", "two.mosaic", "--device", "cpu-8")
    whole = json.loads(run("plan", "two.mosaic", "--json", "--device", "cpu-8", only_out=True))
    limit = f"{1000 * whole['predicted']['warm']['p90'] * 0.8:.1f}ms"
    told.write_text(ranged.format(budget=f"latency: {limit}"))
    found = json.loads(run("plan", "two.mosaic", "--json", "--device", "cpu-8", only_out=True))
    (steps,) = found["steps"]
    assert (steps["low"], steps["high"]) == (12, 30) and 12 <= steps["taken"] < 30
    assert steps["reason"].startswith("the most that keeps the latency of ")
    assert found["predicted"]["steps"] == [steps["taken"]]
    assert {each["steps"][0] for each in found["predicted"]["alternatives"]} == {12}
    text = run("plan", "two.mosaic", "--device", "cpu-8")
    assert f"{steps['taken']} of 12..30 steps: {steps['reason']}" in text
    rows = [line.split() for line in text.partition("predicted")[2].splitlines()]
    assert ["balance", str(steps["taken"])] in [row[:2] for row in rows] and ["sum", "12"] in [
        row[:2] for row in rows
    ]
    assert f"{steps['taken']} steps of ddim" in text
    shown = run("plan", "two.mosaic", "--device", "cpu-8", "--emit", "ir", "--after", "choose_steps")
    assert f'{{"taken":{steps["taken"]}}} : int' in shown


def test_without_a_profile_nothing_is_predicted(told: Path) -> None:
    told.write_text(PLAN.format(budget="latency: 10s"))
    assert json.loads(run("plan", "two.mosaic", "--json", only_out=True))["predicted"] is None
    assert "nobody measured this device" in run("plan", "two.mosaic")


def test_a_check_for_another_device_says_no(told: Path) -> None:
    told.write_text(PLAN.format(budget="latency: 1ms"))
    text = run("check", "two.mosaic", "--device", "h100", code=1)
    assert "error[M602]: the plan does not keep `latency` within 1ms" in text
    assert "NVIDIA H100" in text
    assert "M601" in run("check", "two.mosaic")


def test_a_device_that_there_is_not_is_told(told: Path) -> None:
    told.write_text(PLAN.format(budget="latency: 1s"))
    assert "rtx-4090" in run("check", "two.mosaic", "--device", "h1000", code=2)
    told.with_name("none.json").write_text("{}")
    assert "M891" in run("check", "two.mosaic", "--device", "none.json", code=1)


def test_what_was_never_measured_is_not_told_as_a_share(told: Path) -> None:
    plan = PLAN.format(budget="latency: 10s").replace("hat, neon)", "hat)").replace(", {neon}", "")
    told.write_text(plan)
    text = run("plan", "two.mosaic", "--device", "h100")
    assert "of the best" not in text
    assert "fits, not known to be better" in text
    predicted = json.loads(run("plan", "two.mosaic", "--device", "h100", "--json", only_out=True))[
        "predicted"
    ]
    assert predicted["quality"] is None
    assert {each["quality"] for each in predicted["alternatives"]} == {None}


def test_nothing_to_blend_leaves_nothing_to_choose(told: Path) -> None:
    plan = PLAN.format(budget="latency: 10s").replace("hat, neon)", 'embedding("zoo/samurai"))')
    told.write_text(plan.replace(", {hat}, {neon}", ""))
    text = run("plan", "two.mosaic", "--device", "h100")
    assert "sum, as any other: there is nothing to blend\n" in text
    assert "operators" not in text.partition("predicted")[2]
