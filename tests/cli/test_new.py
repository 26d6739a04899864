"""`mosaic new`: what it writes passes its own CI, is there whole or not at all, and overwrites nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests import services
from typer.testing import CliRunner

import mosaic
from mosaic.cli.app import app
from mosaic.compiler.diagnostic import MosaicError

EDIT = ("neon * 0.8", "neon * 0.6")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(plan: Path) -> None:
    before = plan.read_text(encoding="utf-8")
    assert EDIT[0] in before
    plan.write_text(before.replace(*EDIT), encoding="utf-8")


def test_says_what_it_wrote(here: Path) -> None:
    done = CliRunner().invoke(app, ["new", "alley"])
    assert done.exit_code == 0, done.output
    told = [line.removeprefix("wrote ") for line in done.stdout.splitlines() if line.startswith("wrote ")]
    assert told == sorted(str(p.relative_to(here)) for p in (here / "alley").rglob("*") if p.is_file())
    assert "alley/.github/workflows/mosaic.yml" in told and "alley/mosaic.lock" in told
    assert [path.name for path in here.iterdir()] == ["alley"]
    assert "# alley\n" in (here / "alley" / "README.md").read_text()
    left = [p for p in (here / "alley").rglob("*") if p.is_file() and "@" in p.read_text().replace("@v", "")]
    assert left == []  # every place was filled


@pytest.mark.parametrize("what", ["folder", "file", "link"])
def test_overwrites_nothing(here: Path, what: str) -> None:
    path = here / "alley"
    if what == "folder":
        path.mkdir()
    elif what == "file":
        path.write_text("mine")
    else:
        path.symlink_to("nowhere")
    done = CliRunner().invoke(app, ["new", "alley"])
    assert done.exit_code == 1 and "M898" in done.stderr and "`alley` is there already" in done.stderr
    assert [path.name for path in here.iterdir()] == ["alley"]
    assert path.is_symlink() or not path.is_dir() or not any(path.iterdir())


@pytest.mark.parametrize("name", ["", ".", "..", "-x", "a b", "sub/@x@"])
def test_a_name_is_a_name(here: Path, name: str) -> None:
    with pytest.raises(mosaic.UsageError):
        mosaic.new(name)
    assert list(here.iterdir()) == []


def test_is_there_whole_or_not_at_all(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(Exception):
        pass

    def stop(*given: object, **named: object) -> None:
        raise Stopped

    monkeypatch.setattr("mosaic.api.locking.lock_plans", stop)
    with pytest.raises(Stopped):
        mosaic.new("alley")
    assert list(here.iterdir()) == []


def test_a_place_that_cannot_be_written(here: Path) -> None:
    (here / "file").write_text("")
    with pytest.raises(MosaicError, match="M855"):
        mosaic.new("file/alley")


def test_github(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every command of the workflow, as GitHub runs it, before and after an edit that is not locked."""
    mosaic.new("alley")
    project = here / "alley"
    base = services.repository(project)
    variables = {**services.github(tmp_path_factory.mktemp("runner")), "BASE": base}
    workflow = services.read(project / ".github" / "workflows" / "mosaic.yml")
    assert set(workflow["on"]) == {"push", "pull_request"}
    steps = services.commands(workflow["jobs"]["plans"]["steps"])
    assert len(steps) == 6
    for step in steps:
        done = services.script(step["run"], project, variables)
        assert done.returncode == 0, (step["run"], done.stdout, done.stderr)
    summary = Path(variables["GITHUB_STEP_SUMMARY"])
    assert "No difference" in summary.read_text() or "no difference" in summary.read_text()
    assert (project / "mosaic.sarif").read_text().startswith("{")

    edit(project / "plans" / "first.mosaic")
    failed = [step["name"] for step in steps if services.script(step["run"], project, variables).returncode]
    assert failed == ["mosaic.lock is up to date"]
    assert "strength of zoo/neon" in summary.read_text() or "zoo/neon" in summary.read_text()
    mosaic.lock_plans(project / "plans", output=project / "mosaic.lock")
    failed = [step["name"] for step in steps if services.script(step["run"], project, variables).returncode]
    assert failed == []


def test_gitlab(here: Path) -> None:
    mosaic.new("alley", ci="gitlab")
    project = here / "alley"
    base = services.repository(project)
    jobs = services.read(project / ".gitlab-ci.yml")
    assert not (project / ".github").exists()
    for name in ("plans", "what-changes"):
        variables = {"CI_MERGE_REQUEST_DIFF_BASE_SHA": base}
        done = services.script("\n".join(jobs[name]["script"]), project, variables)
        assert done.returncode == 0, (name, done.stdout, done.stderr)
    reports = jobs["plans"]["artifacts"]["reports"]
    assert (project / reports["codequality"]).read_text().strip() == "[]"
    assert "<testsuites" in (project / reports["junit"]).read_text()
    (project / "plans" / "broken.mosaic").write_text('mosaic 1\nplan p { emit nothing as "a.png" }\n')
    done = services.script("\n".join(jobs["plans"]["script"]), project)
    assert done.returncode != 0
    assert "M2" in (project / reports["codequality"]).read_text()


def test_pre_commit(here: Path) -> None:
    """The hooks that it writes, by pre-commit itself."""
    mosaic.new("alley", ci="none")
    project = here / "alley"
    services.repository(project)
    home = {"PRE_COMMIT_HOME": str(here / "pre-commit")}
    done = services.script("pre-commit run --all-files", project, home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Passed") == 3
    plan = project / "plans" / "first.mosaic"
    plan.write_text(plan.read_text().replace("  let neon", "      let neon").replace("0.8", "0.6"))
    done = services.script("pre-commit run --all-files", project, home)
    assert (
        done.returncode == 1 and done.stdout.count("Failed") == 2
    )  # the layout, which is mended, and the lock
    assert "      let neon" not in plan.read_text()


def test_a_catalog_comes_along(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lora = Path(__file__).parent.parent / "cases" / "errors" / "experts" / "licensed" / "rust.safetensors"
    shutil.copy(lora, here)
    with mosaic.Catalog.open(here / "catalog.duckdb", create=True) as catalog:
        catalog.add("rust.safetensors", id="studio/rust")
    mosaic.new("alley", catalog=here / "catalog.duckdb")
    project = here / "alley"
    (here / "catalog.duckdb").unlink()
    assert "experts" in (project / "mosaic.toml").read_text()
    assert "`experts/`" in (project / "README.md").read_text()
    plan = project / "plans" / "rust.mosaic"
    text = (project / "plans" / "first.mosaic").read_text()
    plan.write_text(
        text.replace("zoo/neon", "studio/rust").replace(", {neon}", "").replace("commercial", "personal")
    )
    report = mosaic.check(project)
    assert report.ok, report.render()
    assert "catalog" in report.catalogs[0]
    monkeypatch.chdir(project)
    assert mosaic.lock_plans(["plans/first.mosaic"], locked=True).changes == ()
