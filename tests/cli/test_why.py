"""`mosaic plan --emit ir --after PASS` and `mosaic plan --why VALUE`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mosaic.cli.app import app
from mosaic.compiler.ir.text import parse_graph
from mosaic.compiler.stages import STAGES

PLAN = """mosaic 1
plan p {
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")
  let look = fuse(base, neon * 0.8 during 0%..50%)
  let half = sample(base, prompt: "a cat", steps: 2)
  emit sample(look, prompt: "a cat, {neon}", steps: 8) as "a.png"
  emit sample(look, prompt: "a cat, {neon}", steps: 8, until: 75%) as "b.png"
}
"""


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.chdir(tmp_path)
    Path("p.mosaic").write_text(PLAN)

    def run(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["plan", "p.mosaic", *arguments])
        assert result.exit_code == code, result.output
        return result.output if code else result.stdout

    return run


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_shown(stage: str, planned: Callable[..., str]) -> None:
    assert parse_graph(planned("--emit", "ir", "--after", stage)).name == "p"


def test_the_last_stage_is_what_is_shown_without(planned: Callable[..., str]) -> None:
    assert planned("--emit", "ir", "--after", STAGES[-1]) == planned("--emit", "ir")


def test_no_such_pass(planned: Callable[..., str]) -> None:
    said = " ".join(planned("--after", "cut_at_window", code=2).replace("│", " ").split())
    assert "no pass `cut_at_window`, did you mean cut_at_windows?" in said


def test_why_a_value(planned: Callable[..., str]) -> None:
    assert planned("--why", "%4") == WHY_VALUE


def test_why_a_name(planned: Callable[..., str]) -> None:
    told = planned("--why", "look")
    assert told.startswith("`look` is not computed as it stands; %1 came out of it.\n\n%1  fuse  %0 with")
    assert "Pass cut_at_windows: cut runs where a window opens" in told


def test_why_an_expert(planned: Callable[..., str]) -> None:
    assert planned("--why", "neon").startswith("`neon` is in %1.\n")


def test_why_something_dead(planned: Callable[..., str]) -> None:
    assert planned("--why", "half") == "`half` is not computed: no emit needs it.\n"


def test_what_is_not_there(planned: Callable[..., str]) -> None:
    assert "no name `nobody`" in planned("--why", "nobody", code=2)
    assert "%0 to %" in planned("--why", "%99", code=2)


WHY_VALUE = """\
%4  denoise  64x64, 8 steps of ddim, guidance 3, seed 0 until 50%, by %1
  It is written at p.mosaic:7:8.
  b.png needs it: %5 resume → %9 decode → %10.
  a.png needs it: %5 resume → %6 resume → %7 decode → %8.
  It needs %1, %2, %3.
  Pass share_encodings: read a text by the model below, where what is fused on top reads it alike.
  Pass cut_at_windows: cut runs where a window opens or closes: what comes before and after can be shared. By way of %1.
"""
