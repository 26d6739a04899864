"""`mosaic graph`: formats, files, colours by what is cached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import Result
from typer.testing import CliRunner

from mosaic.cli.app import app

PLAN = """\
mosaic 1

param seed: int = 7

plan cat {
  emit sample(checkpoint("zoo/base"), prompt: "a red cat", steps: 2, seed: seed) as "cat.png"
}
"""
Run = Callable[..., Result]


@pytest.fixture
def mosaic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in a folder with a plan and a cache of its own."""
    (tmp_path / "cat.mosaic").write_text(PLAN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOSAIC_CACHE", str(tmp_path / "cache"))

    def run(*words: str, code: int = 0, given: str | None = None) -> Result:
        done = CliRunner().invoke(app, words, input=given)
        assert done.exit_code == code, done.output
        return done

    return run


def test_mermaid_unless_said_otherwise(mosaic: Run) -> None:
    assert mosaic("graph", "cat.mosaic").stdout.startswith("flowchart TD\n")
    assert mosaic("graph", "-", given=PLAN).stdout == mosaic("graph", "cat.mosaic").stdout


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("a.mmd", "flowchart TD"),
        ("a.dot", "digraph"),
        ("a.gv", "digraph"),
        ("a.svg", "<svg"),
        ("a.html", "<!doctype html>"),
    ],
)
def test_the_format_by_the_name(mosaic: Run, name: str, begins: str) -> None:
    assert mosaic("graph", "cat.mosaic", "-o", name).stdout == ""
    assert Path(name).read_text(encoding="utf-8").startswith(begins)


def test_the_format_that_is_told_wins(mosaic: Run) -> None:
    mosaic("graph", "cat.mosaic", "-o", "a.txt", "--format", "svg")
    ElementTree.fromstring(Path("a.txt").read_text(encoding="utf-8"))
    assert mosaic("graph", "cat.mosaic", "--format", "dot").stdout.startswith("digraph")


def test_a_name_that_says_nothing_is_wrong_usage(mosaic: Run) -> None:
    assert "--format" in mosaic("graph", "cat.mosaic", "-o", "a.xyz", code=2).output
    assert not Path("a.xyz").exists()


def test_mistakes_are_told_and_nothing_is_written(mosaic: Run) -> None:
    Path("wrong.mosaic").write_text(PLAN.replace("zoo/base", "zoo/bas"))
    assert "M210" in mosaic("graph", "wrong.mosaic", "-o", "a.svg", code=1).output
    assert "M222" in mosaic("graph", "cat.mosaic", "--plan", "dog", code=1).output
    assert not Path("a.svg").exists()


def test_parameters(mosaic: Run) -> None:
    assert "seed 12" in mosaic("graph", "cat.mosaic", "--set", "seed=12").stdout
    mosaic("graph", "cat.mosaic", "--set", "seed=1,2", code=2)


def test_seconds_of_a_device(mosaic: Run) -> None:
    assert ":::cost4" in mosaic("graph", "cat.mosaic", "--device", "h100").stdout
    assert "mosaic calibrate" in mosaic("graph", "cat.mosaic").stdout


def test_what_a_run_kept_is_shown_as_cached(mosaic: Run) -> None:
    before = mosaic("graph", "cat.mosaic", "--color", "source").stdout
    assert ":::cached" not in before.partition("subgraph legend")[0]
    mosaic("run", "cat.mosaic")
    after = mosaic("graph", "cat.mosaic", "--color", "source").stdout.partition("subgraph legend")[0]
    assert ":::cached" in after and ":::unused" in after
    for line in after.splitlines():
        assert ("decode" in line) == (":::cached" in line)
    elsewhere = mosaic("graph", "cat.mosaic", "--color", "source", "--device", "h100").stdout
    assert ":::cached" not in elsewhere.partition("subgraph legend")[0]
    assert "another device" in elsewhere
