"""`mosaic check` as CI runs it: forms, exit codes, selection, settings, many files."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from mosaic.api.workers import PAYS, processes
from mosaic.cli.app import app
from mosaic.compiler.reporting import Format
from mosaic.stdlib import zoo

CLEAN = """\
mosaic 1

plan clean {
  let base = checkpoint("zoo/base")
  emit sample(base, prompt: "a red cat", steps: 2) as "clean.png"
}
"""
WARNED = """\
mosaic 1

plan warned {
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")
  let look = fuse(base, neon * 0.8)
  emit sample(look, prompt: "a red cat", steps: 2) as "warned.png"
}
"""
WRONG = CLEAN.replace("steps: 2", "step: 2")
CASES = Path(__file__).parent.parent / "cases" / "errors"

Mosaic = Callable[..., tuple[int, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a repository with three plans."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    (tmp_path / ".git").mkdir()
    (tmp_path / "plans").mkdir()
    for name, text in (("clean", CLEAN), ("warned", WARNED), ("wrong", WRONG)):
        (tmp_path / "plans" / f"{name}.mosaic").write_text(text)
    return tmp_path


@pytest.fixture
def mosaic(folder: Path) -> Mosaic:
    """Run a command; its exit code and what it printed."""

    def run(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, list(words))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return run


# Forms


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("clean",), 0),
        (("clean", "warned"), 0),
        (("warned", "wrong"), 1),
        (("missing", "wrong", "clean"), 2),
    ],
)
def test_exit_codes_are_those_of_text_in_every_form(
    mosaic: Mosaic, format: Format, names: tuple[str, ...], code: int
) -> None:
    found, output = mosaic("check", *(f"plans/{name}.mosaic" for name in names), "--format", format)
    assert found == code
    if "wrong" in names:
        assert "M204" in output  # also where another file could not be read


def test_the_forms_are_whole_documents(mosaic: Mosaic) -> None:
    sarif = json.loads(mosaic("check", "plans", "--format", "sarif")[1])["runs"][0]
    assert [result["ruleId"] for result in sarif["results"]] == ["M414", "M204"]
    assert sarif["invocations"][0]["exitCode"] == 1
    assert sarif["tool"]["driver"]["version"]
    assert [file["location"]["uri"] for file in sarif["artifacts"]] == [
        "plans/clean.mosaic",
        "plans/warned.mosaic",
        "plans/wrong.mosaic",
    ]
    gitlab = json.loads(mosaic("check", "plans", "--format", "gitlab")[1])
    assert [entry["location"]["path"] for entry in gitlab] == ["plans/warned.mosaic", "plans/wrong.mosaic"]
    junit = ElementTree.fromstring(mosaic("check", "plans", "--format", "junit")[1])
    assert [suite.get("failures") for suite in junit] == ["0", "0", "1"]
    github = mosaic("check", "plans", "--format", "github")[1]
    assert [line.split(" ")[0] for line in github.splitlines()] == ["::warning", "::error"]


def test_github_gets_text_and_annotations_unless_told_otherwise(
    mosaic: Mosaic, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = mosaic("check", "plans")[1]
    annotations = mosaic("check", "plans", "--format", "github")[1]
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert mosaic("check", "plans") == (1, plain + annotations)
    assert mosaic("check", "plans", "--format", "text")[1] == plain
    assert mosaic("check", "plans/clean.mosaic") == (0, "1 file checked: no mistakes\n")


def test_names_are_relative_to_the_current_folder(mosaic: Mosaic, folder: Path) -> None:
    relative = mosaic("check", "plans/wrong.mosaic")
    assert "┌ plans/wrong.mosaic:5:" in relative[1]
    for path in (
        folder / "plans" / "wrong.mosaic",
        "./plans/wrong.mosaic",
        folder / "plans/../plans/wrong.mosaic",
    ):
        code, output = mosaic("check", str(path))
        assert code == 1
        assert str(folder) not in output
    assert (
        mosaic("check", "plans/wrong.mosaic", "./plans/wrong.mosaic", str(folder / "plans/wrong.mosaic"))
        == relative
    )


def test_statistics(mosaic: Mosaic, folder: Path) -> None:
    shutil.copy("plans/warned.mosaic", "plans/again.mosaic")
    code, output = mosaic("check", "plans", "--statistics")
    assert (code, output.splitlines()) == (
        1,
        [
            "2  M414  warning  no prompt calls lora `…`: “…” is missing",
            "1  M204  error    `…` has no argument `…`",
            "4 files checked: 1 error, 2 warnings",
        ],
    )
    report = json.loads(mosaic("check", "plans", "--statistics", "--format", "json")[1])
    assert [(each["code"], each["count"]) for each in report["statistics"]] == [("M414", 2), ("M204", 1)]
    assert len(report["diagnostics"]) == 3
    assert mosaic("check", "plans", "--statistics", "--format", "junit")[0] == 2
    assert mosaic("check", "plans/clean.mosaic", "--statistics") == (0, "1 file checked: no mistakes\n")


# What is shown


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        ((), ["M414", "M204"]),
        (("--ignore", "M414"), ["M204"]),
        (("--ignore", "M4"), ["M204"]),
        (("--ignore", "m6, M4"), ["M204"]),
        (("--select", "M6"), ["M204"]),
        (("--select", "M41", "--ignore", "M4"), ["M414", "M204"]),
        (("--select", "M4", "--ignore", "M4"), ["M204"]),
        (("--select", "M6", "--select", "M414"), ["M414", "M204"]),
    ],
)
def test_codes_are_selected_and_errors_stay(mosaic: Mosaic, words: tuple[str, ...], codes: list[str]) -> None:
    report = json.loads(mosaic("check", "plans", "--format", "json", *words)[1])
    assert [each["code"] for each in report["diagnostics"]] == codes


@pytest.mark.parametrize(
    ("words", "code"),
    [(("--ignore", "M204"), "M893"), (("--ignore", "X"), "M894"), (("--select", "M0000"), "M894")],
)
def test_codes_that_cannot_be_selected(mosaic: Mosaic, words: tuple[str, ...], code: str) -> None:
    found, output = mosaic("check", "plans", "--format", "json", *words)
    assert found == 2
    assert [each["code"] for each in json.loads(output)["diagnostics"]] == [code]


def test_warnings_can_count_as_errors(mosaic: Mosaic) -> None:
    assert mosaic("check", "plans/warned.mosaic")[0] == 0
    code, output = mosaic("check", "plans/warned.mosaic", "--warnings-as-errors")
    assert code == 1
    assert output.endswith("1 file checked: 1 warning, warnings count as errors\n")
    assert mosaic("check", "plans/warned.mosaic", "--warnings-as-errors", "--ignore", "M414")[0] == 0
    junit = mosaic("check", "plans/warned.mosaic", "--warnings-as-errors", "--format", "junit")[1]
    assert ElementTree.fromstring(junit).get("failures") == "1"


def test_comments_ignore_warnings(mosaic: Mosaic, folder: Path) -> None:
    path = folder / "plans" / "warned.mosaic"
    path.write_text(WARNED.replace('as "warned.png"', 'as "warned.png"  # mosaic: ignore[M414] on purpose'))
    assert mosaic("check", str(path)) == (0, "1 file checked: no mistakes\n")
    path.write_text(CLEAN.replace('as "clean.png"', 'as "clean.png"  # mosaic: ignore[M414] on purpose'))
    assert "warning[M160]: there is no M414 to ignore" in mosaic("check", str(path))[1]
    # A comment is not unused because its warning is not selected, nor where a mistake may hide it.
    path.write_text(WARNED.replace('as "warned.png"', 'as "warned.png"  # mosaic: ignore[M414]'))
    assert mosaic("check", str(path), "--select", "M6,M160") == (0, "1 file checked: no mistakes\n")
    path.write_text(WRONG.replace('as "clean.png"', 'as "clean.png"  # mosaic: ignore[M414]'))
    assert "M160" not in mosaic("check", str(path))[1]


# Settings


def test_settings_select_and_exclude(mosaic: Mosaic, folder: Path) -> None:
    (folder / "mosaic.toml").write_text('ignore = ["M414"]\nexclude = ["plans/wrong.mosaic"]\n')
    assert mosaic("check", "plans") == (0, "2 files checked: no mistakes\n")
    assert mosaic("check", ".") == (0, "2 files checked: no mistakes\n")
    assert mosaic("check", "plans/wrong.mosaic")[0] == 1  # named, it is meant
    assert "M414" in mosaic("check", "plans", "--select", "M4")[1]
    (folder / "mosaic.toml").write_text('[per-file-ignores]\n"plans/w*" = ["M4"]\n')
    assert "M414" not in mosaic("check", "plans")[1]
    (folder / "mosaic.toml").write_text('exclude = ["plans"]\n')
    assert mosaic("check", ".") == (0, "0 files checked: no mistakes\n")


def test_what_the_command_line_ignores_is_added(mosaic: Mosaic, folder: Path) -> None:
    (folder / "mosaic.toml").write_text('ignore = ["M414"]\n')
    (folder / "plans" / "budget.mosaic").write_text(
        CLEAN.replace("let base", "budget { latency: 1s }\n  let base")
    )
    assert "M601" in mosaic("check", "plans")[1]
    output = mosaic("check", "plans", "--ignore", "M601")[1]
    assert "M601" not in output
    assert "M414" not in output


def test_each_plan_has_the_settings_of_its_folder(mosaic: Mosaic, folder: Path) -> None:
    (folder / "other").mkdir()
    shutil.copy("plans/warned.mosaic", "other/warned.mosaic")
    (folder / "plans" / "mosaic.toml").write_text('ignore = ["M414"]\ndevice = "h100"\n')
    (folder / "other" / "budget.mosaic").write_text(
        CLEAN.replace("let base", "budget { latency: 1s }\n  let base")
    )
    shutil.copy("other/budget.mosaic", "plans/budget.mosaic")
    report = json.loads(mosaic("check", ".", "--format", "json")[1])
    assert [(each["file"], each["code"]) for each in report["diagnostics"]] == [
        ("other/budget.mosaic", "M601"),  # nobody measured that device; the other is known
        ("other/warned.mosaic", "M414"),
        ("plans/wrong.mosaic", "M204"),
    ]


def test_mistakes_in_settings_are_told_and_the_files_are_checked(mosaic: Mosaic, folder: Path) -> None:
    (folder / "mosaic.toml").write_text('ignored = ["M414"]\n')
    code, output = mosaic("check", "plans")
    assert code == 2
    assert output.index("error[M896]") < output.index("warning[M414]") < output.index("error[M204]")
    for words in (
        ("plan", "plans/clean.mosaic"),
        ("lock", "plans/clean.mosaic"),
        ("lint", "plans/clean.mosaic"),
    ):
        code, output = mosaic(*words)
        assert code == 2
        assert "error[M896]" in output


def test_the_catalog_and_the_device_of_settings_are_used(mosaic: Mosaic, folder: Path) -> None:
    (folder / "mosaic.toml").write_text('catalog = "no-such.duckdb"\n')
    (folder / "plans" / "asks.mosaic").write_text(CLEAN.replace("zoo/base", "mine/base"))
    for words in (("check",), ("plan",), ("run", "-o", "out"), ("lock",)):
        code, output = mosaic(words[0], "plans/asks.mosaic", *words[1:])
        assert (code, "M830" in output) == (2, True), words
    (folder / "mosaic.toml").write_text('device = "h100"\n')
    assert "H100" in mosaic("plan", "plans/clean.mosaic")[1]


def test_plan_shows_no_warning_that_is_ignored(mosaic: Mosaic, folder: Path) -> None:
    assert "M414" in mosaic("plan", "plans/warned.mosaic")[1]
    (folder / "mosaic.toml").write_text('ignore = ["M414"]\n')
    assert "M414" not in mosaic("plan", "plans/warned.mosaic")[1]
    (folder / "mosaic.toml").write_text("")
    path = folder / "plans" / "warned.mosaic"
    path.write_text(WARNED.replace('as "warned.png"', 'as "warned.png"  # mosaic: ignore[M414]'))
    assert "M414" not in mosaic("plan", "plans/warned.mosaic")[1]


# Many files


def test_the_outcome_does_not_depend_on_the_processes(mosaic: Mosaic, folder: Path) -> None:
    shutil.copytree(CASES, folder / "cases")
    one = mosaic("check", "plans", "cases", "--jobs", "1")
    assert one[0] in (1, 2)
    assert one[1].count("┌") > 150
    for jobs in ("2", "5"):
        assert mosaic("check", "plans", "cases", "--jobs", jobs) == one


def test_processes_that_begin_anew_find_the_same(mosaic: Mosaic, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on systems without fork."""
    one = mosaic("check", "plans", "--jobs", "1")
    monkeypatch.setattr("mosaic.api.workers._FORKS", False)
    monkeypatch.setattr("mosaic.api.workers._CHUNK", 1)
    assert mosaic("check", "plans", "--jobs", "2") == one


def test_usage_is_told_once_by_several_processes(mosaic: Mosaic) -> None:
    code, output = mosaic("check", "plans", "--jobs", "2", "--device", "no-such-device")
    assert code == 2
    assert output.count("no-such-device") == 1


def test_processes_are_started_where_they_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mosaic.api.workers._cores", lambda: 8)
    assert [processes(files, None) for files in (0, 1, PAYS, 2 * PAYS, 100 * PAYS)] == [1, 1, 1, 2, 8]
    assert [processes(files, 4) for files in (1, 3, 1000)] == [1, 3, 4]


@pytest.mark.skipif(sys.platform != "linux", reason="children are looked up in /proc")
def test_an_interrupt_ends_all_processes(folder: Path) -> None:
    for number in range(3000):
        (folder / "plans" / f"{number}.mosaic").write_text(WARNED)
    running = subprocess.Popen(
        [sys.executable, "-m", "mosaic", "check", "plans", "--jobs", "2", "--format", "text"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
    while len(children.read_text().split()) < 2 and running.poll() is None:
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in errors


def test_several_processes_ask_one_catalog(mosaic: Mosaic, folder: Path) -> None:
    (folder / "experts").mkdir()
    shutil.copy(zoo.root() / "models" / "hat.safetensors", folder / "experts" / "mine.safetensors")
    code, output = mosaic("catalog", "add", "experts", "--catalog", "mine.duckdb")
    assert code == 0, output
    listed = json.loads(mosaic("catalog", "list", "--catalog", "mine.duckdb", "--json")[1])["experts"]
    (own,) = [each["id"] for each in listed if not each["id"].startswith("zoo/")]
    for number in range(40):
        name = own if number % 3 else f"{own}x"
        (folder / "plans" / f"{number:02}.mosaic").write_text(WARNED.replace("zoo/neon", name))
    (folder / "mosaic.toml").write_text('catalog = "mine.duckdb"\n')
    one = mosaic("check", "plans", "--jobs", "1")
    assert one[1].count("error[M210]") == 14
    assert re.search(r" \(catalog .*mine\.duckdb @ [0-9a-f]{12}\)\n$", one[1])
    assert mosaic("check", "plans", "--jobs", "3") == one
