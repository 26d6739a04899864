"""The commands as processes: exit codes, streams, shapes of JSON."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from mosaic import __version__

ROOT = Path(__file__).parent.parent.parent
GOOD = """\
mosaic 1

param seed: int = 7

plan good {
  let base = checkpoint("zoo/base")

  emit sample(base, prompt: "a red cat in the meadow", steps: 2, seed: seed) as "good.png"
}
"""
BAD = GOOD.replace("steps: 2", "step: 2")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def mosaic(tmp_path: Path) -> Run:
    """Run a command in a folder that holds good.mosaic and bad.mosaic."""
    (tmp_path / "good.mosaic").write_text(GOOD)
    (tmp_path / "bad.mosaic").write_text(BAD)

    def run(
        *words: str, stdin: str | bytes = "", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "mosaic", *words],
            cwd=tmp_path,
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            env={**os.environ, **(env or {})},
        )
        return subprocess.CompletedProcess(words, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


def test_alone_says_what_to_do_next(mosaic: Run) -> None:
    done = mosaic()
    assert done.returncode == 0
    assert "mosaic run bad.mosaic" in done.stdout


def test_alone_where_there_is_no_plan(mosaic: Run, tmp_path: Path) -> None:
    (tmp_path / "good.mosaic").unlink()
    (tmp_path / "bad.mosaic").unlink()
    shown = mosaic().stdout
    plan = shown[shown.index("mosaic 1") : shown.index("}\n") + 2]
    (tmp_path / "first.mosaic").write_text(plan)
    done = mosaic("check", "first.mosaic")
    assert (done.returncode, done.stderr) == (0, "")
    assert mosaic("fmt", "--check", "first.mosaic").returncode == 0


def test_version(mosaic: Run) -> None:
    assert mosaic("--version").stdout == f"mosaic {__version__}\n"


def test_usage_is_2(mosaic: Run) -> None:
    assert mosaic("chek").returncode == 2
    assert mosaic("check").returncode == 2
    assert mosaic("check", "--format", "yaml", "good.mosaic").returncode == 2


@pytest.mark.parametrize("form", [(), ("--format", "json")])
def test_exit_codes_of_check(mosaic: Run, form: tuple[str, ...]) -> None:
    assert mosaic("check", "good.mosaic", *form).returncode == 0
    assert mosaic("check", "good.mosaic", "bad.mosaic", *form).returncode == 1
    assert mosaic("check", "good.mosaic", "missing.mosaic", *form).returncode == 2


def test_unreadable_wins_and_the_others_are_still_checked(mosaic: Run) -> None:
    done = mosaic("check", "missing.mosaic", "bad.mosaic")
    assert done.returncode == 2
    assert "M801" in done.stdout
    assert "M204" in done.stdout


def test_check_as_json(mosaic: Run) -> None:
    document = json.loads(mosaic("check", "bad.mosaic", "--format", "json").stdout)
    assert document["version"] == 1
    assert document["files"] == 1
    (found,) = [d for d in document["diagnostics"] if d["code"] == "M204"]
    assert list(found) == [
        "code", "severity", "message", "file", "line", "column", "end_line", "end_column", "help", "fixes",
    ]  # fmt: skip
    assert (found["file"], found["line"], found["severity"]) == ("bad.mosaic", 8, "error")
    (fix,) = found["fixes"]
    assert list(fix) == ["title", "safe", "edits"]
    assert fix["edits"][0]["replacement"] == "steps"


def test_a_clean_check_as_json(mosaic: Run) -> None:
    assert json.loads(mosaic("check", ".", "good.mosaic", "--format", "json").stdout)["files"] == 2
    document = json.loads(mosaic("check", "good.mosaic", "--format", "json").stdout)
    assert document == {"version": 1, "diagnostics": [], "files": 1}


def test_check_of_standard_input(mosaic: Run) -> None:
    assert mosaic("check", "-", stdin=GOOD).returncode == 0
    done = mosaic("check", "-", stdin=BAD)
    assert done.returncode == 1
    assert "<stdin>:8" in done.stdout


@pytest.mark.parametrize(
    ("name", "data", "code", "status"),
    [
        ("empty", b"", "M101", 1),
        ("binary", bytes(range(256)), "M103", 2),
        ("utf16", GOOD.encode("utf-16"), "M103", 2),
        ("huge", b"mosaic 1\n" + b"# comment\n" * 200_000, "M104", 2),
        ("deep", b"mosaic 1\nplan p { let x = " + b"f(" * 5000 + b")" * 5000 + b" }", "M105", 1),
        ("unknown edition", b"mosaic 99\n", "M102", 1),
    ],
)
def test_bad_input_gets_a_code(
    mosaic: Run, tmp_path: Path, name: str, data: bytes, code: str, status: int
) -> None:
    (tmp_path / "input.mosaic").write_bytes(data)
    done = mosaic("check", "input.mosaic")
    assert code in done.stdout, name
    assert done.returncode == status
    assert "Traceback" not in done.stderr


def test_colour_only_where_asked_for(mosaic: Run) -> None:
    assert "\x1b[" not in mosaic("check", "bad.mosaic").stdout


def test_fmt(mosaic: Run, tmp_path: Path) -> None:
    plan = tmp_path / "good.mosaic"
    untidy = GOOD.replace("  let base = ", "let   base=")
    plan.write_text(untidy)
    plan.chmod(0o640)
    assert mosaic("fmt", "--check", "good.mosaic").returncode == 1
    shown = mosaic("fmt", "--diff", "good.mosaic")
    assert shown.returncode == 1
    assert "+  let base = checkpoint" in shown.stdout
    assert plan.read_text() == untidy
    assert mosaic("fmt", "good.mosaic").returncode == 0
    assert plan.read_text() == GOOD
    assert plan.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.mosaic", "good.mosaic"]
    assert mosaic("fmt", "--check", "--diff", "good.mosaic").returncode == 0
    assert mosaic("fmt", "-", stdin=untidy).stdout == GOOD


def test_fmt_leaves_what_it_cannot_read(mosaic: Run, tmp_path: Path) -> None:
    broken = GOOD.replace("plan good {", "plan good (")
    (tmp_path / "good.mosaic").write_text(broken)
    done = mosaic("fmt", "good.mosaic")
    assert done.returncode == 1
    assert "M130" in done.stderr
    assert (tmp_path / "good.mosaic").read_text() == broken


def test_plan_as_json(mosaic: Run) -> None:
    done = mosaic("plan", "good.mosaic", "--json")
    document = json.loads(done.stdout)
    assert list(document) == [
        "version",
        "program",
        "digest",
        "choices",
        "steps",
        "finds",
        "predicted",
        "cache",
    ]
    assert document["digest"].startswith("sha256:")
    assert document["program"]["instructions"][-1]["operation"]["op"] == "emit"
    assert document["digest"] in mosaic("plan", "good.mosaic").stdout


def test_plan_with_errors(mosaic: Run) -> None:
    done = mosaic("plan", "bad.mosaic")
    assert (done.returncode, done.stdout) == (1, "")
    assert "M204" in done.stderr
    document = json.loads(mosaic("plan", "bad.mosaic", "--json").stdout)
    assert [d["code"] for d in document["diagnostics"] if d["severity"] == "error"] == ["M204"]


def test_parameters_change_the_program(mosaic: Run) -> None:
    digests = {
        json.loads(mosaic("plan", "good.mosaic", "--json", "--set", f"seed={seed}").stdout)["digest"]
        for seed in (1, 2)
    }
    assert len(digests) == 2
    assert mosaic("plan", "good.mosaic", "--set", "seed=seven").returncode == 1
    assert mosaic("plan", "good.mosaic", "--set", "seed").returncode == 2
    assert mosaic("plan", "good.mosaic", "--set", "seed=1..3").returncode == 2


@pytest.mark.slow
def test_a_program_runs_like_its_plan(mosaic: Run, tmp_path: Path) -> None:
    assert mosaic("plan", "good.mosaic", "-o", "good.program.json").returncode == 0
    plan = json.loads(mosaic("run", "good.mosaic", "-o", "a", "--json").stdout)
    program = json.loads(mosaic("run", "good.program.json", "-o", "b", "--json").stdout)
    keys = ["version", "emitted", "programs", "sheets", "reports", "seconds", "evaluations", "sources"]
    assert list(plan) == keys
    (first,), (second,) = plan["emitted"], program["emitted"]
    assert list(first) == ["path", "type", "sha256", "parameters", "batched"]
    assert first["sha256"] == second["sha256"]
    assert hashlib.sha256((tmp_path / "a" / "good.png").read_bytes()).hexdigest() == first["sha256"]
    assert plan["evaluations"] == 2
    assert mosaic("run", "good.program.json", "--set", "seed=1").returncode == 2


@pytest.mark.slow
def test_a_picture_gives_its_plan_back(mosaic: Run, tmp_path: Path) -> None:
    assert mosaic("run", "good.mosaic", "--set", "seed=3").returncode == 0
    assert mosaic("recover", "good.png").stdout == GOOD
    document = json.loads(mosaic("recover", "good.png", "--json").stdout)
    assert document["parameters"] == {"seed": 3}
    assert [expert["id"] for expert in document["experts"]] == ["zoo/base"]
    Image.new("RGB", (8, 8)).save(tmp_path / "other.png")
    assert mosaic("recover", "other.png").returncode == 1
    assert mosaic("recover", "missing.png").returncode == 2


@pytest.mark.slow
def test_a_sweep_makes_a_contact_sheet(mosaic: Run, tmp_path: Path) -> None:
    done = mosaic("run", "good.mosaic", "--set", "seed=1..2", "-o", "out", "--report", "report", "--json")
    document = json.loads(done.stdout)
    assert [emitted["parameters"] for emitted in document["emitted"]] == [{"seed": "1"}, {"seed": "2"}]
    assert len({emitted["sha256"] for emitted in document["emitted"]}) == 2
    assert document["sheets"] == ["out/good.sheet.png"]
    with Image.open(tmp_path / "out" / "good.sheet.png") as sheet:
        assert sheet.width > 2 * 64
    assert (tmp_path / "out" / "seed-1" / "good.png").exists()
    assert (tmp_path / "report" / "seed-2" / "report.html").exists()


@pytest.mark.slow
def test_several_plans_have_a_folder_each(mosaic: Run, tmp_path: Path) -> None:
    (tmp_path / "two.mosaic").write_text(GOOD + GOOD[GOOD.index("plan") :].replace("plan good", "plan other"))
    assert mosaic("run", "two.mosaic").returncode == 0
    assert (tmp_path / "good" / "good.png").exists()
    assert (tmp_path / "other" / "good.png").exists()
    assert mosaic("run", "two.mosaic", "--plan", "other").returncode == 0
    assert (tmp_path / "good.png").exists()
    assert mosaic("run", "two.mosaic", "--plan", "neither").returncode == 1


def test_an_unwritable_output(mosaic: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    done = mosaic("run", "good.mosaic", "-o", "taken")
    assert done.returncode == 1
    assert "M855" in done.stderr
    done = mosaic("plan", "good.mosaic", "-o", "taken/good.program.json")
    assert done.returncode == 1
    assert "M855" in done.stderr


def test_without_the_engine(mosaic: Run, tmp_path: Path) -> None:
    """The core alone: plans are checked and compiled, running says what to install (M880)."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "torch.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')"
    )
    core = {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])}
    assert mosaic("check", "good.mosaic", env=core).returncode == 0
    assert mosaic("plan", "good.mosaic", env=core).returncode == 0
    done = mosaic("run", "good.mosaic", env=core)
    assert done.returncode == 1
    assert "M880" in done.stderr
    assert 'pip install "mosaic-plan[run]"' in done.stderr


def test_a_fault_of_mosaic_is_reported_as_such(mosaic: Run, tmp_path: Path) -> None:
    """M901, without a traceback."""
    script = (
        "from mosaic import project\n"
        "from mosaic.compiler.diagnostic import InternalError\n"
        "def broken(self, source):\n"
        "    raise InternalError('a pass broke the graph')\n"
        "project.Project.check = broken\n"
        "from mosaic.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "check", "good.mosaic"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "M901" in done.stderr
    assert "Traceback" not in done.stderr


def test_interrupted(mosaic: Run, tmp_path: Path) -> None:
    """Ctrl-C ends a run with 130, without a traceback and without a half-written file."""
    second = '\n  emit sample(base, prompt: "a red cat", steps: 1000) as "long.png"\n}'
    (tmp_path / "long.mosaic").write_text(GOOD.replace("\n}", second))
    command = [sys.executable, "-m", "mosaic", "run", "long.mosaic", "-o", "out"]
    running = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that run in the background of a shell inherit that interrupts are ignored.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    first = tmp_path / "out" / "good.png"
    while not first.exists() and running.poll() is None:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate()
    assert running.returncode == 130, errors
    assert errors.count("interrupted") == 1, errors
    assert "Traceback" not in errors
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["good.png"]


def test_an_interrupt_that_a_library_turned_into_an_error_is_one(tmp_path: Path) -> None:
    code = (
        "import os, signal, time, mosaic.cli as cli\n"
        "def command(words):\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(60)\n"
        "    except KeyboardInterrupt:\n"
        "        raise RuntimeError('of a library') from None\n"
        "cli._command = command\n"
        "cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.count("interrupted") == 1 and "Traceback" not in done.stderr


def test_an_interrupt_that_falls_into_a_destructor_is_not_lost(tmp_path: Path) -> None:
    """Python can only report what a destructor raises; where it is Ctrl-C, the command has to end all the same."""
    code = (
        "import sys, time, mosaic.cli as cli\n"
        "class Held:\n"
        "    def __del__(self): raise KeyboardInterrupt\n"
        "def command(words):\n"
        "    Held()\n"
        "    for _ in range(600): time.sleep(0.1)\n"
        "    print('went on')\n"
        "cli._command = command\n"
        "cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (130, "")
    assert "interrupted" in done.stderr and "Traceback" not in done.stderr


def test_explain(mosaic: Run) -> None:
    assert "Compose a base with experts" in mosaic("explain", "fuse").stdout
    assert "task vector" in mosaic("explain", "sum").stdout
    assert mosaic("explain", "m302").stdout.startswith("M302")
    contents = mosaic("explain").stdout
    assert "sample" in contents
    assert "M302" in contents
    assert mosaic("explain", "fuze").returncode == 1


@pytest.mark.parametrize("target", ["lark", "llm", "gbnf"])
def test_grammar(mosaic: Run, target: str) -> None:
    done = mosaic("grammar", "--target", target)
    assert done.returncode == 0
    assert ("root ::=" if target == "gbnf" else "start:") in done.stdout


def test_completion_is_there(mosaic: Run) -> None:
    done = mosaic("--show-completion", "bash", env={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"})
    assert "_MOSAIC_COMPLETE" in done.stdout


def test_what_an_option_is_by_default_is_shown() -> None:
    """Square brackets are markup to the library that prints help: unescaped, they are left out."""
    from typer.testing import CliRunner

    from mosaic.cli.app import app

    done = CliRunner().invoke(app, ["check", "--help"], env={"COLUMNS": "300", "TERMINAL_WIDTH": "300"})
    assert "[default: $MOSAIC_CATALOG, else the user's own]" in " ".join(
        done.stdout.replace("│", " ").split()
    )
