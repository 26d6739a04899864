"""The core alone: installed into an empty environment, it does all that CI asks, and nothing of torch is there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))

from benchmarks import bench_core
from tests import services

ROOT = Path(__file__).parent.parent
DATA = ROOT / "tests" / "data"
ENGINE = ("torch", "diffusers", "transformers", "numpy", "PIL", "safetensors", "tokenizers", "peft", "jinja2")

pytestmark = pytest.mark.slow

Mosaic = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that the action installs the core into, as it does on a runner."""
    folder = tmp_path_factory.mktemp("core")
    programs = bench_core.environment(folder / "core")
    package = bench_core.source(folder / "mosaic")
    steps = services.read(ROOT / "action.yml")["runs"]["steps"]
    (install,) = (step["run"] for step in steps if step.get("name") == "Install the core of mosaic")
    variables = {"GITHUB_ACTION_PATH": str(package), "PIP_NO_INDEX": "0"}
    done = services.script(install, folder, variables, bin=programs)
    assert done.returncode == 0, done.stdout + done.stderr
    return programs


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the examples, and with plans over a catalog of which only the snapshot is there."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copytree(DATA, tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def mosaic(programs: Path, here: Path) -> Mosaic:
    def run(*words: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        command = [str(programs / "mosaic"), *words]
        done = subprocess.run(
            command, cwd=here, env=dict(bench_core.surroundings()), capture_output=True, text=True
        )
        assert code in (None, done.returncode), (words, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done

    return run


def test_nothing_of_the_engine_is_there(programs: Path) -> None:
    script = f"import importlib.util; print([n for n in {ENGINE!r} if importlib.util.find_spec(n)])"
    done = subprocess.run(
        [str(programs / "python"), "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_check_and_lint(mosaic: Mosaic) -> None:
    told = mosaic("check", "examples", "data", "--catalog", "data/snapshot").stdout
    assert re.search(r"1\d files checked", told) and "data/snapshot @" in told
    assert "M210" in mosaic("check", "data/dusk.mosaic", code=1).stdout  # who has no snapshot
    for form in ("json", "sarif", "gitlab"):
        json.loads(mosaic("check", "examples", "--format", form).stdout)
    mosaic("lint", "data", "--catalog", "data/snapshot", "--device", "rtx-4090")
    found = json.loads(mosaic("lint", "examples", "--format", "json", code=None).stdout)
    assert [d for d in found["diagnostics"] if d["severity"] == "error"] == []


def test_fmt(mosaic: Mosaic, here: Path) -> None:
    mosaic("fmt", "--check", "examples", "data")
    plan = here / "data" / "dusk.mosaic"
    text = plan.read_text(encoding="utf-8")
    plan.write_text(text.replace("  let", "      let"), encoding="utf-8")
    mosaic("fmt", "data")
    assert plan.read_text(encoding="utf-8") == text


def test_plan_and_graph(mosaic: Mosaic, here: Path) -> None:
    for plan in [*sorted((here / "examples").glob("*.mosaic")), here / "data" / "dusk.mosaic"]:
        name = str(plan.relative_to(here))
        world = ("--catalog", "data/snapshot", "--device", "rtx-4090")
        assert "on NVIDIA GeForce RTX 4090" in mosaic("plan", name, *world).stdout
        assert "flowchart" in mosaic("graph", name, *world).stdout


def test_diff(mosaic: Mosaic, here: Path) -> None:
    plan = here / "data" / "dusk.mosaic"
    (here / "old.mosaic").write_bytes(plan.read_bytes())
    plan.write_text(plan.read_text().replace("dusk * 0.7", "dusk * 0.5"))
    world = ("--catalog", "data/snapshot", "--device", "rtx-4090")
    told = mosaic("diff", "old.mosaic", "data/dusk.mosaic", *world, "--exit-code", code=1).stdout
    assert "strength of studio/dusk" in told and "0.7 → 0.5" in told


def test_lock(mosaic: Mosaic, here: Path) -> None:
    (here / "mosaic.toml").write_text('catalog = "data/snapshot"\n')
    mosaic("lock", "data/dusk.mosaic", "examples")
    mosaic("lock", "--locked")
    mosaic("check", "--locked", "data/dusk.mosaic")
    mosaic("check", "--frozen", "data/dusk.mosaic")
    plan = here / "data" / "dusk.mosaic"
    plan.write_text(plan.read_text().replace("dusk * 0.7", "dusk * 0.5"))
    mosaic("lock", "--locked", code=1)
    mosaic("check", "--locked", "data", code=1)


def test_explain_and_search(mosaic: Mosaic) -> None:
    assert "fuse" in mosaic("explain", "fuse").stdout
    assert "studio/dusk" in mosaic("catalog", "search", "dusk", "--catalog", "data/snapshot").stdout


def test_running_says_what_is_missing(mosaic: Mosaic) -> None:
    assert "M880" in mosaic("run", "examples/alley.mosaic", code=1).stderr


@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_a_new_project_passes_its_own_ci(mosaic: Mosaic, here: Path, programs: Path, service: str) -> None:
    project = here / "alley"
    if service == "github":  # by a developer who has the engine, whose versions the lock has
        import mosaic as developers

        developers.new(project)
        assert "torch" in (project / "mosaic.lock").read_text()
    else:
        mosaic("new", "alley", "--ci", service)
    base = services.repository(project)
    if service == "github":
        jobs = services.read(project / ".github" / "workflows" / "mosaic.yml")["jobs"]
        scripts = [step["run"] for step in services.commands(jobs["plans"]["steps"])]
    else:
        jobs = services.read(project / ".gitlab-ci.yml")
        scripts = ["\n".join(jobs[name]["script"]) for name in ("plans", "what-changes")]
    runner = here / "runner"
    runner.mkdir()
    variables = {**services.github(runner), "BASE": base, "CI_MERGE_REQUEST_DIFF_BASE_SHA": base}
    for script in scripts:
        done = services.script(script, project, variables, bin=programs)
        assert done.returncode == 0, (script, done.stdout, done.stderr)


def test_python(programs: Path, here: Path) -> None:
    script = (
        "import mosaic, sys; report = mosaic.check('data', catalog='data/snapshot'); "
        "assert report.ok, report.render(); "
        "mosaic.compile('data/dusk.mosaic', catalog='data/snapshot', device='h100'); "
        "assert 'numpy' not in sys.modules"
    )
    done = subprocess.run(
        [str(programs / "python"), "-c", script],
        cwd=here,
        env=dict(bench_core.surroundings()),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
