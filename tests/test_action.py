"""The GitHub action, as far as a machine without GitHub can: its scripts run as a runner runs them, its comment is
written to a server that answers as GitHub's does. What only the service can show is not tested: setting up Python, the
upload, what a comment looks like."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests import services

ROOT = Path(__file__).parent.parent
ACTION = services.read(ROOT / "action.yml")
STEPS: dict[str, Mapping[str, Any]] = {
    step["name"]: step for step in ACTION["runs"]["steps"] if "name" in step
}
PLAN = (ROOT / "src" / "mosaic" / "templates" / "project" / "first.mosaic").read_text(encoding="utf-8")
STRENGTH = re.compile(r"\* 0\.\d+")


class GitHub(HTTPServer):
    """The comments of one pull request. Whoever `may_write` not is answered as a fork is."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.comments: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.may_write = True


class _Answer(BaseHTTPRequestHandler):
    server: GitHub

    def do_GET(self) -> None:
        page = int(re.search(r"[?&]page=(\d+)", self.path)[1])  # type: ignore[index]
        self._say(200, self.server.comments[(page - 1) * 100 : page * 100])

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        assert self.path == "/repos/studio/plans/issues/7/comments"
        comment = {"id": len(self.server.comments) + 1, "body": body, "user": {"type": "Bot"}}
        self._write(lambda: self.server.comments.append(comment))

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        found = next(c for c in self.server.comments if self.path.endswith(f"/issues/comments/{c['id']}"))
        self._write(lambda: found.update(body=body))

    def _write(self, change: Any) -> None:
        if not self.server.may_write:
            self._say(403, {"message": "Resource not accessible by integration"})
            return
        change()
        self._say(201, {})

    def _say(self, code: int, content: Any) -> None:
        assert self.headers["Authorization"] == "Bearer token"
        self.server.asked.append(self.command)
        data = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests print nothing."""


@pytest.fixture
def service() -> Iterator[GitHub]:
    server = GitHub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    runner = tmp_path / "runner"
    runner.mkdir()
    return {**services.github(runner), "RUNNER_TEMP": str(runner), "GITHUB_ACTION_PATH": str(ROOT)}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "plans"
    folder.mkdir()
    (folder / "style.mosaic").write_text(PLAN, encoding="utf-8")
    (folder / "mosaic.toml").write_text('device = "rtx-4090"\n', encoding="utf-8")
    services.repository(folder)
    return folder


def step(
    name: str, repository: Path, variables: Mapping[str, str], expressions: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a step with what GitHub would put for its expressions; the default of an input is what it is."""
    inputs = {f"inputs.{key}": str(given.get("default", "")) for key, given in ACTION["inputs"].items()}
    known = {**inputs, **(expressions or {})}
    own = {
        key: re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda found: known[found[1]], value)
        for key, value in STEPS[name].get("env", {}).items()
    }
    return services.script(STEPS[name]["run"], repository, {**variables, **own})


def outputs(variables: Mapping[str, str]) -> dict[str, str]:
    lines = Path(variables["GITHUB_OUTPUT"]).read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_the_file() -> None:
    assert ACTION["runs"]["using"] == "composite"
    for each in ACTION["runs"]["steps"]:
        assert ("uses" in each) != ("run" in each)
        if "run" in each:
            assert each["shell"] == "bash"
            # Whoever opens a pull request names branches and files: nothing of it is put into a script.
            assert "${{" not in each["run"]
        else:
            assert re.fullmatch(r"[\w-]+(/[\w-]+)+@v\d+", each["uses"])
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"inputs\.([\w-]+)", text))
    assert named == set(ACTION["inputs"])
    assert "pull_request_target" not in text


@pytest.mark.parametrize("name", [name for name, each in STEPS.items() if "run" in each])
def test_shellcheck(name: str) -> None:
    command = [str(services.BIN / "shellcheck"), "--shell=bash", "-"]
    done = subprocess.run(command, input=STEPS[name]["run"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_sound_plan(repository: Path, variables: dict[str, str]) -> None:
    done = step("Check plans", repository, variables)
    assert done.returncode == 0, done.stderr
    found = outputs(variables)
    assert found["exit-code"] == "0" and "no mistakes" in done.stdout
    assert json.loads(Path(found["sarif"]).read_text())["runs"][0]["results"] == []
    assert step("Outcome", repository, variables, {"steps.check.outputs.exit-code": "0"}).returncode == 0


def test_a_mistake(repository: Path, variables: dict[str, str]) -> None:
    plan = repository / "style.mosaic"
    plan.write_text(PLAN.replace("zoo/base", "zoo/bsae"), encoding="utf-8")
    done = step("Check plans", repository, variables, {"inputs.paths": "style.mosaic\n  style.mosaic"})
    assert done.returncode == 0  # the outcome comes last, when everything is told
    assert "::error file=style.mosaic" in done.stdout
    found = outputs(variables)
    assert found["exit-code"] == "1"
    (result,) = json.loads(Path(found["sarif"]).read_text())["runs"][0]["results"]
    assert result["ruleId"] == "M210"
    assert step("Outcome", repository, variables, {"steps.check.outputs.exit-code": "1"}).returncode == 1


@pytest.mark.parametrize(
    ("inputs", "code"),
    [({}, "0"), ({"warnings-as-errors": "true"}, "1"), ({"lint": "true"}, "1"), ({"locked": "true"}, "1")],
)
def test_strictness(repository: Path, variables: dict[str, str], inputs: dict[str, str], code: str) -> None:
    plan = repository / "style.mosaic"
    plan.write_text(STRENGTH.sub("* 1.9", PLAN, count=1), encoding="utf-8")  # M420: above its range
    done = step(
        "Check plans", repository, variables, {f"inputs.{key}": value for key, value in inputs.items()}
    )
    assert (done.returncode, outputs(variables)["exit-code"]) == (0, code), done.stdout


def test_patterns_are_not_for_the_shell(repository: Path, variables: dict[str, str]) -> None:
    done = step(
        "Check plans", repository, variables, {"inputs.paths": "*.mosaic $(touch pwned) `touch pwned`"}
    )
    assert outputs(variables)["exit-code"] == "2" and "*.mosaic" in done.stdout
    assert not (repository / "pwned").exists()


def test_what_changes(repository: Path, variables: dict[str, str]) -> None:
    base = {"github.event.pull_request.base.sha": services.git(repository, "rev-parse", "HEAD")}
    plan = repository / "style.mosaic"
    plan.write_text(STRENGTH.sub("* 0.31", PLAN, count=1), encoding="utf-8")
    done = step("Say what changes", repository, variables, base)
    assert done.returncode == 0, done.stderr
    told = Path(outputs(variables)["difference"]).read_text(encoding="utf-8")
    assert "0.31" in told and "strength" in told
    assert Path(variables["GITHUB_STEP_SUMMARY"]).read_text(encoding="utf-8") == told
    plan.write_text(PLAN.replace("zoo/base", "zoo/bsae"), encoding="utf-8")
    done = step("Say what changes", repository, variables, base)
    assert done.returncode == 0 and "M210" in done.stderr
    assert "cannot be told" in Path(outputs(variables)["difference"]).read_text(encoding="utf-8")


def test_a_shallow_clone_fetches_the_base(
    repository: Path, tmp_path: Path, variables: dict[str, str]
) -> None:
    base = services.git(repository, "rev-parse", "HEAD")
    (repository / "style.mosaic").write_text(STRENGTH.sub("* 0.31", PLAN, count=1), encoding="utf-8")
    services.git(repository, "commit", "-qam", "weaker")
    services.git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    shallow = tmp_path / "shallow"
    services.git(tmp_path, "clone", "-q", "--depth=1", repository.as_uri(), str(shallow))
    done = step("Say what changes", shallow, variables, {"github.event.pull_request.base.sha": base})
    assert done.returncode == 0, done.stderr
    assert "0.31" in Path(outputs(variables)["difference"]).read_text(encoding="utf-8")


class TestComment:
    """One comment, renewed; none where the token may not."""

    @pytest.fixture
    def comment(self, service: GitHub, repository: Path, variables: dict[str, str], tmp_path: Path) -> Any:
        surroundings = {
            **variables,
            "GITHUB_API_URL": f"http://127.0.0.1:{service.server_port}",
            "GITHUB_REPOSITORY": "studio/plans",
        }

        def write(text: str) -> subprocess.CompletedProcess[str]:
            path = tmp_path / "difference.md"
            path.write_text(text, encoding="utf-8")
            given = {
                "inputs.github-token": "token",
                "github.event.pull_request.number": "7",
                "steps.diff.outputs.difference": str(path),
            }
            return step("Comment", repository, surroundings, given)

        return write

    def test_is_written_once_and_renewed(self, service: GitHub, comment: Any) -> None:
        assert comment("first\n").returncode == 0
        assert comment("second\n").returncode == 0
        (only,) = service.comments
        assert only["body"].endswith("\nsecond\n") and only["body"].startswith("<!-- mosaic")
        assert comment("second\n").returncode == 0
        assert service.asked == ["GET", "POST", "GET", "PATCH", "GET"]

    def test_is_found_among_many_and_nobody_elses(self, service: GitHub, comment: Any) -> None:
        marker = "<!-- mosaic: what changes -->\n"
        for number in range(130):
            text = f"{marker}not ours" if number == 5 else "hello"
            service.comments.append({"id": 1000 + number, "body": text, "user": {"type": "User"}})
        assert comment("first\n").returncode == 0
        assert len(service.comments) == 131 and service.comments[5]["body"] == f"{marker}not ours"
        assert comment("second\n").returncode == 0
        assert len(service.comments) == 131 and "second" in service.comments[130]["body"]

    def test_a_fork_has_the_summary(self, service: GitHub, comment: Any) -> None:
        service.may_write = False
        done = comment("first\n")
        assert done.returncode == 0 and "summary" in done.stdout and service.comments == []

    def test_a_large_one(self, service: GitHub, comment: Any) -> None:
        assert comment("x" * 100_000).returncode == 0
        assert len(service.comments[0]["body"]) < 1000 and "too large" in service.comments[0]["body"]

    def test_a_service_that_is_not_there(self, service: GitHub, comment: Any, variables: Any) -> None:
        service.may_write = True
        service.comments = None  # type: ignore[assignment]
        assert comment("first\n").returncode == 1
