"""`mosaic plan` says what is cached, and the next run finds just that."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from mosaic.cli.app import app
from mosaic.runtime.cache.disk import Disk

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.mosaic"))
PLAN = """\
mosaic 1

param strength: fraction = 50%

plan twice {
  let base  = checkpoint("zoo/base")
  let first = sample(base, prompt: "a red cat in the meadow", steps: 2, seed: 7)
  emit refine(base, first, prompt: "a blue dog", steps: 4, strength: strength) as "second.png"
}
"""
ANOTHER = """
plan other {
  emit sample(checkpoint("zoo/base"), prompt: "a red cat in the meadow", steps: 2, seed: 7) as "first.png"
}
"""

Run = Callable[..., Result]


@pytest.fixture
def mosaic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in a folder with a plan and a cache of its own."""
    (tmp_path / "twice.mosaic").write_text(PLAN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOSAIC_CACHE", str(tmp_path / "cache"))

    def run(*words: str, code: int = 0) -> Result:
        done = CliRunner().invoke(app, words)
        assert done.exit_code == code, done.output
        return done

    return run


def _told(mosaic: Run, *words: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(mosaic("plan", *words, "--json").stdout)
    return told


def _foretold(mosaic: Run, *words: str) -> list[str]:
    """The sources that `mosaic plan` tells, which are those of the run that follows."""
    told = _told(mosaic, *words)["cache"]
    mosaic("run", *words, "--report", "report")
    ran = json.loads(Path("report", "report.json").read_text())["instructions"]
    assert told["sources"] == [each["source"] for each in ran]
    sources: list[str] = told["sources"]
    return sources


def test_nothing_was_run_yet(mosaic: Run) -> None:
    told = _told(mosaic, "twice.mosaic")
    assert told["cache"]["sources"] == []
    assert "no run has kept results yet" in told["cache"]["reason"]
    text = mosaic("plan", "twice.mosaic").stdout
    assert text.endswith("\n\ncached\n  nothing: no run has kept results yet\n")
    assert not Path("cache").exists(), "asking makes nothing"


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_and_its_run_agree(name: str, mosaic: Run, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    file = tmp_path / "examples" / f"{name}.mosaic"
    text = re.sub(r"steps: \d+", "steps: 4", file.read_text())
    is_open = "steps:" not in text and "use " not in text
    file.write_text(text.replace("seed: seed", "seed: seed, steps: 4") if is_open else text)
    mosaic("run", "twice.mosaic", "--set", "strength=100%")  # so that it is known how runs stand
    path = f"examples/{name}.mosaic"
    assert "cache" not in _foretold(mosaic, path)
    warm = _foretold(mosaic, path)
    assert "cache" in warm and set(warm) <= {"cache", "unused", "computed"}


def test_edits_of_the_last_step(mosaic: Run) -> None:
    mosaic("run", "twice.mosaic")
    assert _foretold(mosaic, "twice.mosaic").count("cache") == 1
    edited = _foretold(mosaic, "twice.mosaic", "--set", "strength=75%")
    assert sorted(edited).count("cache") == 1
    assert "unused" in edited, "the first prompt is not read"
    text = mosaic("plan", "twice.mosaic", "--set", "strength=25%").stdout
    (line,) = [line for line in text.splitlines() if " denoise " in line]
    assert "cached" in line
    assert re.search(
        r"\n  1 of \d results, 1 not needed then, \d to be computed \(on cpu in float32 with", text
    )
    mosaic("cache", "clear")
    assert "cache" not in _foretold(mosaic, "twice.mosaic")


@pytest.mark.parametrize("kept", range(4))
def test_what_is_left_of_a_cache(kept: int, mosaic: Run) -> None:
    mosaic("run", "twice.mosaic")
    disk = Disk(Path("cache"))
    keys = [entry.key for entry in disk.entries()]
    for place, key in enumerate(keys):
        if place % 4 != kept:
            disk.remove(key)
    _foretold(mosaic, "twice.mosaic")


def test_several_plans_are_run_together(mosaic: Run) -> None:
    Path("both.mosaic").write_text(PLAN + ANOTHER)
    mosaic("run", "both.mosaic", "--plan", "other")
    text = mosaic("plan", "both.mosaic").stdout
    assert text.count("\ncached\n") == 2
    ran = json.loads(mosaic("run", "both.mosaic", "--json").stdout)["sources"]
    marks = [re.split(r"\s{2,}", line) for line in text.splitlines() if line.startswith("  %")]
    count = {word: sum(word in marked for marked in marks) for word in ("cached", "not needed")}
    assert count == {"cached": ran["cache"], "not needed": ran["unused"]}


def test_what_a_run_takes_now(mosaic: Run) -> None:
    profile = json.loads((ROOT / "stdlib" / "profiles" / "cpu-8.json").read_text())
    Path("here.json").write_text(json.dumps({**profile, "is_estimate": False}))
    words = ("twice.mosaic", "--device", "here.json")
    assert _told(mosaic, *words)["predicted"]["now"] is None
    mosaic("run", "twice.mosaic")
    predicted = _told(mosaic, *words)["predicted"]
    assert 0 < predicted["now"]["p50"] < predicted["warm"]["p50"] / 4
    assert predicted["now"]["evaluations"] == 0
    edited = _told(mosaic, *words, "--set", "strength=75%")["predicted"]
    assert edited["now"]["evaluations"] == 3 < edited["evaluations"]
    text = mosaic("plan", *words).stdout
    assert " now, taking from the cache what is there, 0 model evaluations\n" in text
    assert "everything that is written: a run loads no model and computes nothing" in text


def test_other_circumstances_are_told(mosaic: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    mosaic("run", "twice.mosaic")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    told = _told(mosaic, "twice.mosaic")["cache"]
    assert told["sources"] == []
    assert told["reason"] == (
        "not known before a run was made with OMP_NUM_THREADS=3 (the last one had OMP_NUM_THREADS not set)"
    )


def test_other_code_is_told(mosaic: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    mosaic("run", "twice.mosaic")
    monkeypatch.setattr("mosaic.runtime.surroundings._version", lambda package: "99.0")
    from mosaic.runtime import surroundings

    surroundings._versions.cache_clear()
    told = _told(mosaic, "twice.mosaic")["cache"]
    monkeypatch.undo()
    surroundings._versions.cache_clear()
    assert "cache" not in told["sources"]
    assert told["reason"].startswith("nothing: what was kept was made by other code (mosaic-plan ")
    assert "is now 99.0" in told["reason"]


def test_not_asked(mosaic: Run) -> None:
    mosaic("run", "twice.mosaic")
    for words in (["--no-cache"], ["--batch", "2"], ["--device", "h100"]):
        assert _told(mosaic, "twice.mosaic", *words)["cache"] is None
        assert "\ncached\n" not in mosaic("plan", "twice.mosaic", *words).stdout
    assert _told(mosaic, "twice.mosaic", "--cache", "elsewhere")["cache"]["sources"] == []


def test_why(mosaic: Run) -> None:
    mosaic("run", "twice.mosaic")
    numbers = range(len(_told(mosaic, "twice.mosaic")["cache"]["sources"]))
    told = [mosaic("plan", "twice.mosaic", "--why", f"%{number}").stdout for number in numbers]
    assert ["It is cached: a run reads it" in each for each in told].count(True) == 1
    assert "A run does not need it now: what it is for is cached." in told[0]
    assert "cached" not in told[-1]
    assert "cached" not in mosaic("plan", "twice.mosaic", "--why", "%0", "--no-cache").stdout


def test_no_torch_is_imported(mosaic: Run) -> None:
    mosaic("run", "twice.mosaic")
    code = (
        "import sys; from mosaic.cli.app import app\n"
        "try: app(['plan', 'twice.mosaic'])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert not {'torch', 'numpy', 'duckdb', '_duckdb', 'diffusers', 'safetensors'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert "\ncached\n" in done.stdout
