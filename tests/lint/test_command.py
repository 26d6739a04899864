"""`mosaic lint` as a command: exit codes, streams, files that are written and files that are not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mosaic.cli.app import app

CLEAN = """mosaic 1

plan p {
  let base = checkpoint("zoo/base")

  emit sample(base, prompt: "a red cat") as "p.png"
}
"""
SAFE = CLEAN.replace("\n  emit", "  let n    = 3  # why\n\n  emit")
UNSAFE = CLEAN.replace("plan", "param n: int = 3\n\nplan", 1)
WRONG = CLEAN.replace("prompt:", "promt:")

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def lint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in a folder that holds a plan of each sort."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    for name, text in {"clean": CLEAN, "safe": SAFE, "unsafe": UNSAFE, "wrong": WRONG}.items():
        Path(f"{name}.mosaic").write_text(text)

    def run(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["lint", *words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return run


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("clean.mosaic",), 0),
        (("safe.mosaic",), 1),
        (("wrong.mosaic",), 1),
        (("safe.mosaic", "missing.mosaic"), 2),
        (("safe.mosaic", "--ignore", "M0"), 0),
        (("safe.mosaic", "--select", "M4"), 0),
        (("wrong.mosaic", "--select", "M4"), 1),
        (("safe.mosaic", "--select", "W1"), 2),
        (("safe.mosaic", "--diff"), 1),
        (("clean.mosaic", "--diff"), 0),
        (("safe.mosaic", "--fix"), 0),
        (("unsafe.mosaic", "--fix"), 1),
        (("unsafe.mosaic", "--unsafe-fixes"), 0),
        (("wrong.mosaic", "--unsafe-fixes"), 0),
    ],
)
def test_exit_codes(lint: Run, words: tuple[str, ...], code: int) -> None:
    assert lint(*words)[0] == code


def test_check_knows_nothing_of_lints(lint: Run) -> None:
    result = CliRunner().invoke(app, ["check", "safe.mosaic"])
    assert (result.exit_code, "M001" in result.output) == (0, False)


def test_fixes_are_written_and_told(lint: Run, tmp_path: Path) -> None:
    code, output = lint("--fix", ".")
    assert code == 1
    assert Path("safe.mosaic").read_text() == CLEAN
    assert Path("unsafe.mosaic").read_text() == UNSAFE
    assert "fixed 1 (can be fixed: 2 with --unsafe-fixes)" in output
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "clean.mosaic", "safe.mosaic", "unsafe.mosaic", "wrong.mosaic",
    ]  # fmt: skip
    assert lint("--unsafe-fixes", ".")[0] == 0
    assert {path.read_text() for path in tmp_path.iterdir()} == {CLEAN}


def test_what_does_not_change_is_not_written(lint: Run) -> None:
    os.chmod("clean.mosaic", 0o444)
    before = Path("clean.mosaic").stat()
    lint("--unsafe-fixes", "clean.mosaic")
    after = Path("clean.mosaic").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_difference_is_shown_and_nothing_written(lint: Run) -> None:
    code, output = lint("--diff", "--unsafe-fixes", ".")
    assert code == 1
    assert "--- safe.mosaic\n+++ safe.mosaic (fixed)\n" in output
    assert "-  let n    = 3  # why\n" in output
    assert "-param n: int = 3\n" in output
    assert "would fix 3" in output
    assert Path("safe.mosaic").read_text() == SAFE


def test_standard_input_is_fixed_to_standard_output() -> None:
    command = [sys.executable, "-m", "mosaic", "lint", "--fix", "-"]
    done = subprocess.run(command, input=SAFE, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, CLEAN)
    assert "fixed 1" in done.stderr


@pytest.mark.parametrize("format", ["json", "sarif", "gitlab", "junit", "github"])
def test_forms(lint: Run, format: str) -> None:
    code, output = lint("safe.mosaic", "--format", format)
    assert code == 1
    assert "M001" in output
    if format == "json":
        (found,) = json.loads(output)["diagnostics"]
        assert (found["code"], found["fixes"][0]["safe"]) == ("M001", True)


def test_a_comment_keeps_what_is_meant(lint: Run) -> None:
    ignored = SAFE.replace("# why", "# mosaic: ignore[M001] for later")
    Path("safe.mosaic").write_text(ignored)
    assert lint("--fix", "safe.mosaic")[0] == 0
    assert Path("safe.mosaic").read_text() == ignored
    # One that hides nothing is taken out.
    Path("safe.mosaic").write_text(CLEAN.replace(' as "p.png"', ' as "p.png"  # mosaic: ignore[M001]'))
    assert lint("--fix", "safe.mosaic")[0] == 0
    assert Path("safe.mosaic").read_text() == CLEAN


def test_settings_of_the_project_count(lint: Run) -> None:
    Path("mosaic.toml").write_text('ignore = ["M001"]\n')
    assert lint("safe.mosaic")[0] == 0
    assert lint("safe.mosaic", "--select", "M001")[0] == 1


def test_libraries_are_fixed_by_themselves(lint: Run) -> None:
    Path("house.mosaic").write_text(
        "mosaic 1\n\ndefine f(b: checkpoint) -> model {\n  let n = 3\n"
        '  return fuse(b, lora("zoo/neon") * 1)\n}\n'
    )
    plan = CLEAN.replace("plan", 'use "./house.mosaic"\n\nplan', 1).replace(
        "sample(base", "sample(house.f(base)"
    )
    Path("clean.mosaic").write_text(plan.replace("a red cat", "a red cat, neon style"))
    assert lint("--fix", "clean.mosaic")[0] == 0
    assert "let n" in Path("house.mosaic").read_text()
    assert lint("--fix", "clean.mosaic", "house.mosaic")[0] == 0
    assert Path("house.mosaic").read_text() == (
        'mosaic 1\n\ndefine f(b: checkpoint) -> model {\n  return fuse(b, lora("zoo/neon"))\n}\n'
    )


def test_lines_that_end_in_two_characters_stay_so(lint: Run) -> None:
    Path("safe.mosaic").write_bytes(SAFE.replace("\n", "\r\n").encode())
    lint("--fix", "safe.mosaic")
    assert Path("safe.mosaic").read_bytes() == CLEAN.replace("\n", "\r\n").encode()
