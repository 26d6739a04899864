"""`mosaic compose`, as it is used: what it prints, writes and runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mosaic.cli.app import app


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "MOSAIC_COMPOSE_MODEL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_plan_is_printed(here: Path) -> None:
    done = CliRunner().invoke(app, ["compose", "a blue owl wearing a hat in the snow"])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("# Asked for: a blue owl wearing a hat in the snow\nmosaic 1\n")
    assert "The plan draws with zoo/base" in done.stderr and "zoo/owl for “owl”" in done.stderr
    assert list(here.iterdir()) == []
    (here / "plan.mosaic").write_text(done.stdout)
    checked = CliRunner().invoke(app, ["check", "--warnings-as-errors", "plan.mosaic"])
    assert checked.exit_code == 0, checked.output
    assert CliRunner().invoke(app, ["fmt", "--check", "plan.mosaic"]).exit_code == 0


def test_a_plan_is_written_run_and_told_of(here: Path) -> None:
    asked = ["compose", "a blue owl in the snow", "-o", "plans/owl.mosaic", "--run", "--steps", "2"]
    done = CliRunner().invoke(app, [*asked, "--report", "report", "--trace", "trace.json"])
    assert done.exit_code == 0, done.output
    assert sorted(p.relative_to(here).as_posix() for p in here.rglob("*") if p.is_file()) == [
        "plans/owl.mosaic",
        "plans/owl.png",
        "report/composition.html",
        "report/composition.json",
        "report/report.html",
        "report/report.json",
        "trace.json",
    ]
    assert "plan owl {" in (here / "plans/owl.mosaic").read_text()
    trace = json.loads((here / "trace.json").read_text())
    assert [facet["text"] for facet in trace["decomposition"]["facets"]] == ["owl", "snow"]
    assert trace["answer"]["experts"] == ["zoo/base", "zoo/owl", "zoo/snow"]


def test_the_same_plan_gives_the_same_picture(here: Path) -> None:
    asked = ["compose", "a red cat, neon style", "-o", "cat.mosaic", "--run", "--steps", "2"]
    assert CliRunner().invoke(app, asked).exit_code == 0
    first = (here / "cat.png").read_bytes()
    assert CliRunner().invoke(app, ["run", "cat.mosaic", "-o", "again", "--no-cache"]).exit_code == 0
    assert (here / "again" / "cat.png").read_bytes() == first


def test_what_cannot_be_met_is_told_and_not_written(here: Path) -> None:
    asked = ["compose", "a dragon in the forest, watercolor", "-o", "dragon.mosaic", "--run"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 1
    assert (
        "error[M861]: “dragon” cannot be met: no expert is called so, and zoo/base does not know it"
        in done.stderr
    )
    assert "`--nearest` takes it" in done.stderr
    assert 'lora("zoo/watercolor")' in done.stdout
    assert list(here.iterdir()) == []
    taken = CliRunner().invoke(app, [*asked, "--nearest", "--steps", "2"])
    assert taken.exit_code == 0, taken.output
    assert sorted(path.name for path in here.iterdir()) == ["dragon.mosaic", "dragon.png"]


def test_a_file_that_is_there_is_not_overwritten(here: Path) -> None:
    (here / "cat.mosaic").write_text("mine")
    done = CliRunner().invoke(app, ["compose", "a red cat", "-o", "cat.mosaic"])
    assert done.exit_code == 1 and "M869" in done.stderr and "--force" in done.stderr
    assert (here / "cat.mosaic").read_text() == "mine"
    assert CliRunner().invoke(app, ["compose", "a red cat", "-o", "cat.mosaic", "--force"]).exit_code == 0
    assert "a red cat" in (here / "cat.mosaic").read_text()


def test_json(here: Path) -> None:
    done = CliRunner().invoke(app, ["compose", "a red cat and a dragon", "--json"])
    assert done.exit_code == 1
    answer = json.loads(done.stdout)
    assert (answer["version"], answer["met"], answer["path"], answer["run"]) == (1, False, None, None)
    assert [each["what"] for each in answer["unmet"]] == ["dragon"]
    assert answer["plan"].startswith("# Asked for")


def test_limits(here: Path) -> None:
    asked = ["compose", "a neon cat", "--use", "commercial", "--rating", "general", "--budget", "memory=2GiB"]
    done = CliRunner().invoke(
        app, [*asked, "--policy", "credit=true", "--device", "rtx-4090", "--budget", "2s"]
    )
    assert done.exit_code == 0, done.output
    assert "budget { memory: 2GiB, latency: 2s }" in done.stdout
    assert "policy { credit: true, use: commercial, rating: general }" in done.stdout
    assert "steps: 10..20" in done.stdout and "a run is predicted to take" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["   "], "empty"),
        (["a cat", "--policy", "use"], "KEY=VALUE"),
        (["a cat", "--policy", "usage=commercial"], "did you mean 'use'"),
        (["a cat", "--use", "commercial } plan x {"], "is no value"),
        (["a cat", "--budget", "speed=2s"], "a budget has no 'speed'"),
        (["a cat", "--size", "big"], "64x64"),
        (["a cat", "--pictures", "out"], "--run"),
        (["x" * 2001], "2,000"),
    ],
)
def test_what_means_nothing_is_wrong_usage(here: Path, options: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["compose", *options])
    assert done.exit_code == 2, done.output
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert list(here.iterdir()) == []


def test_a_limit_that_is_no_word_of_the_language(here: Path) -> None:
    done = CliRunner().invoke(app, ["compose", "a cat", "--use", "comercial"])
    assert done.exit_code in (1, 2) and "commercial" in done.stderr


def test_no_model_is_asked_without_one(here: Path) -> None:
    done = CliRunner().invoke(app, ["compose", "a cat", "--backend", "openai"])
    assert done.exit_code == 2 and "M862" in done.stderr and "--model" in done.stderr


def test_neither_torch_nor_a_model_s_library_is_needed_to_compose(here: Path) -> None:
    code = (
        "import sys\n"
        "absent = 'torch diffusers transformers openai jinja2 numpy mcp'.split()\n"
        "for name in absent: sys.modules[name] = None\n"
        "import socket; socket.socket.connect = None\n"
        "from mosaic.cli import main; sys.argv = ['mosaic', 'compose', 'a red cat, watercolor']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert "zoo/watercolor" in done.stdout
