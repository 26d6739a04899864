"""`mosaic diff`, and git with it: revisions, textconv, difftool. The git of these tests is the real one."""

from __future__ import annotations

import hashlib
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
from mosaic.compiler.comparing.changes import Aspect
from mosaic.stdlib import zoo

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

PLAN = """mosaic 1
use "./house.mosaic" as house

plan alley {
  let base = checkpoint("zoo/base")
  let look = house.look(base)
  emit sample(look, prompt: "a red cat, neon style", steps: 2) as "alley.png"
}
"""
HOUSE = """mosaic 1
define look(base: checkpoint) -> model {
  return fuse(base, lora("zoo/neon") * 0.8)
}
"""
Git = Callable[..., str]
Diff = Callable[..., Result]


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """A repository with one commit of a plan and its fragments, in `plans/`; the current folder is its top."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.org",
        "GIT_PAGER": "cat",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("init", "-q", "-b", "main", ".")
    Path("plans").mkdir()
    Path("plans/alley.mosaic").write_text(PLAN)
    Path("plans/house.mosaic").write_text(HOUSE)
    run("add", ".")
    run("commit", "-qm", "one")
    return run


@pytest.fixture
def diff() -> Diff:
    def run(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, ["diff", *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == code, result.output
        return result

    return run


def edit(path: str, old: str, new: str) -> None:
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new))


def test_a_revision_of_a_file(git: Git, diff: Diff) -> None:
    edit("plans/alley.mosaic", "steps: 2", "steps: 3")
    told = diff("HEAD:plans/alley.mosaic", "plans/alley.mosaic").stdout
    assert told == (
        "HEAD:plans/alley.mosaic → plans/alley.mosaic\n\n"
        "plan alley\n  alley.png\n    ~ steps of sample  2 → 3  (line 7 → 7)\n"
    )


def test_fragments_of_a_revision(git: Git, diff: Diff) -> None:
    """The plan is the same; what it uses is not."""
    edit("plans/house.mosaic", "0.8", "0.5")
    told = diff("HEAD:plans/alley.mosaic", "plans/alley.mosaic").stdout
    assert (
        "~ strength of zoo/neon  0.8 → 0.5  (line HEAD:plans/house.mosaic:3 → plans/house.mosaic:3)" in told
    )
    git("commit", "-qam", "two")
    assert "0.8 → 0.5" in diff("HEAD~1:plans/alley.mosaic", "HEAD:plans/alley.mosaic").stdout
    Path("plans/house.mosaic").unlink()  # nothing of it is read from the disk
    assert "0.8 → 0.5" in diff("HEAD~1:plans/alley.mosaic", "HEAD:plans/alley.mosaic").stdout
    error = diff("HEAD:plans/alley.mosaic", "plans/alley.mosaic", code=2).stderr
    assert "M801" in error


def test_a_fragment_that_a_revision_did_not_have(git: Git, diff: Diff) -> None:
    git("rm", "-q", "--cached", "plans/house.mosaic")
    git("commit", "-qm", "gone")
    error = diff("HEAD:plans/alley.mosaic", "plans/alley.mosaic", code=2).stderr
    assert "M801" in error and "HEAD:plans/alley.mosaic:2" in error


def test_moving_text_into_a_fragment_is_no_difference(git: Git, diff: Diff) -> None:
    Path("plans/alley.mosaic").write_text(
        'mosaic 1\nplan alley {\n  emit sample(fuse(checkpoint("zoo/base"), lora("zoo/neon") * 0.8), '
        'steps: 2, prompt: "a red cat, neon style") as "alley.png"\n}\n'
    )
    assert (
        "no difference in meaning"
        in diff("HEAD:plans/alley.mosaic", "plans/alley.mosaic", "--exit-code").stdout
    )


def test_paths_from_here_and_from_the_top(git: Git, diff: Diff, monkeypatch: pytest.MonkeyPatch) -> None:
    edit("plans/alley.mosaic", "steps: 2", "steps: 3")
    monkeypatch.chdir("plans")
    for old in ("HEAD:plans/alley.mosaic", "HEAD:./alley.mosaic"):
        assert "2 → 3" in diff(old, "alley.mosaic").stdout
    assert "2 → 3" in diff("--git", "HEAD").stdout
    assert "2 → 3" in diff("--git", "HEAD", "alley.mosaic").stdout


def test_many_plans(git: Git, diff: Diff) -> None:
    edit("plans/house.mosaic", "0.8", "0.5")
    shutil.copy("plans/alley.mosaic", "plans/another.mosaic")
    edit("plans/another.mosaic", "plan alley", "plan another")
    told = diff("--git", "HEAD").stdout
    assert told.startswith("HEAD → work tree\n\nplan alley\n")
    assert "plan another added, in plans/another.mosaic" in told
    git("add", ".")
    git("rm", "-qf", "plans/alley.mosaic")
    git("commit", "-qm", "two")
    told = diff("--git", "HEAD~1", "HEAD").stdout
    # A plan under another name that makes something else is another plan.
    assert "plan alley removed, in HEAD~1:plans/alley.mosaic" in told
    assert "HEAD~1 → HEAD" in told
    assert "alley removed" in diff("--git", "HEAD~1", "plans/alley.mosaic").stdout  # a path that is gone


def test_a_plan_that_moved(git: Git, diff: Diff) -> None:
    Path("more").mkdir()
    git("mv", "plans/alley.mosaic", "plans/house.mosaic", "more")
    told = diff("--git", "HEAD", "--exit-code", code=1).stdout
    assert "plan alley moved from HEAD:plans/alley.mosaic to more/alley.mosaic" in told


def test_folders(git: Git, diff: Diff) -> None:
    shutil.copytree("plans", "other")
    assert "no difference" in diff("plans", "other").stdout
    edit("other/alley.mosaic", "steps: 2", "steps: 3")
    assert "2 → 3" in diff("plans", "other").stdout


def test_exit_codes(git: Git, diff: Diff) -> None:
    diff("HEAD:plans/alley.mosaic", "plans/alley.mosaic", "--exit-code")
    edit("plans/alley.mosaic", "steps: 2", "steps: 3")
    diff("HEAD:plans/alley.mosaic", "plans/alley.mosaic")
    diff("HEAD:plans/alley.mosaic", "plans/alley.mosaic", "--exit-code", code=1)
    edit("plans/alley.mosaic", "zoo/base", "zoo/bass")
    assert "M210" in diff("HEAD:plans/alley.mosaic", "plans/alley.mosaic", "--exit-code", code=2).stderr
    diff("plans/alley.mosaic", code=2)


def test_what_is_not_there(git: Git, diff: Diff, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = "plans/alley.mosaic"
    for old, code in (
        ("HEAD~1:plans/alley.mosaic", "M816"),
        ("--upload-pack=x:plans/alley.mosaic", ""),
        (":plans/alley.mosaic", "M816"),
        ("HEAD:plans/none.mosaic", "M817"),
        ("HEAD:../none.mosaic", "M817"),
        ("HEAD:plans", "M817"),
        ("none.mosaic", "M801"),
    ):
        assert code in diff(old, here, code=2).stderr
    assert "M816" in diff("--git", "nowhere", code=2).stderr
    assert "M817" in diff("--git", "HEAD", "nowhere", code=2).stderr
    assert "M817" in diff("--git", "HEAD", str(tmp_path.parent), code=2).stderr
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    monkeypatch.chdir(outside)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "M815" in diff("--git", "HEAD", code=2).stderr
    monkeypatch.setenv("PATH", str(outside))
    assert "M815" in diff("HEAD:a.mosaic", "b.mosaic", code=2).stderr


def test_a_link_is_not_followed(git: Git, diff: Diff) -> None:
    Path("plans/linked.mosaic").symlink_to("alley.mosaic")
    git("add", ".")
    git("commit", "-qm", "link")
    assert "M817" in diff("HEAD:plans/linked.mosaic", "plans/alley.mosaic", code=2).stderr


def test_experts_by_path(git: Git, diff: Diff) -> None:
    """One name, other bytes: what a revision holds is what it meant."""
    neon, sketch = (next(zoo.root().rglob(f"{name}.safetensors")) for name in ("neon", "sketch"))
    shutil.copy(neon, "plans/own.safetensors")
    edit("plans/house.mosaic", "zoo/neon", "./own.safetensors")
    git("add", ".")
    git("commit", "-qm", "own")
    shutil.copy(sketch, "plans/own.safetensors")
    told = diff("HEAD:plans/alley.mosaic", "plans/alley.mosaic").stdout
    assert "~ bytes of ./own.safetensors" in told
    assert "strength" not in told and "operand" not in told
    Path("plans/own.safetensors").unlink()
    assert "no difference" in diff("HEAD:plans/alley.mosaic", "HEAD:plans/alley.mosaic").stdout


def test_pictures_of_a_revision(git: Git, diff: Diff) -> None:
    house = (Path(__file__).parents[2] / "examples" / "pictures" / "house.png").read_bytes()
    Path("plans/photo.png").write_bytes(house)
    Path("plans/photo.mosaic").write_text(
        'mosaic 1\nplan photo {\n  let base = checkpoint("zoo/base")\n  let photo = load_image("./photo.png")\n'
        '  emit refine(base, photo, prompt: "a cat", steps: 2) as "again.png"\n}\n'
    )
    git("add", ".")
    git("commit", "-qm", "photo")
    Path("plans/photo.png").write_bytes(house + b"\0")  # behind its end: no reader minds
    told = diff("HEAD:plans/photo.mosaic", "plans/photo.mosaic").stdout
    assert re.search(r"~ picture of load_image +photo\.png \(\w{12}…\) → photo\.png \(\w{12}…\)", told)


def test_locks_of_a_revision(git: Git, diff: Diff) -> None:
    """What a lock decided is what its plan meant."""
    edit("plans/alley.mosaic", "steps: 2", "steps: 2..9")
    assert CliRunner().invoke(app, ["lock", "plans/alley.mosaic"]).exit_code == 0
    git("add", ".")
    git("commit", "-qm", "locked")
    edit("mosaic.lock", "taken = 9", "taken = 4")
    told = diff("HEAD:plans/alley.mosaic", "plans/alley.mosaic").stdout
    assert "~ steps of sample  9 → 4" in told
    Path("mosaic.lock").unlink()
    assert "no difference" in diff("HEAD:plans/alley.mosaic", "plans/alley.mosaic").stdout


def test_experts_of_a_lock(git: Git, diff: Diff) -> None:
    """Bytes and licences are those that a lock holds, not those of today's catalog."""
    assert CliRunner().invoke(app, ["lock", "plans/alley.mosaic"]).exit_code == 0
    git("add", ".")
    git("commit", "-qm", "locked")
    before, neon = Path("mosaic.lock").read_text().split('id = "zoo/neon"\n')
    ((role, name),) = re.findall(r'role = "(.+)"\nname = "(.+)"', neon)
    digest = hashlib.sha256(f"{role} {name} {'0' * 64}".encode()).hexdigest()
    for pattern, told in (
        (r'sha256 = ".{64}"', f'sha256 = "{"0" * 64}"'),
        (r'\ndigest = ".{64}"', f'\ndigest = "{digest}"'),
        (r'license = ".+"', 'license = "CC-BY-NC-4.0"'),
    ):
        neon, count = re.subn(pattern, told, neon, count=1)
        assert count == 1
    Path("mosaic.lock").write_text(f'{before}id = "zoo/neon"\n{neon}')
    told = diff("HEAD:plans/alley.mosaic", "plans/alley.mosaic").stdout
    assert re.search(rf"~ bytes of zoo/neon  \w{{12}}… → {digest[:12]}…", told)
    assert f"after: `{name}`: its bytes" in told
    assert re.search(r"~ commercial use +allowed → denied \(zoo/neon\)", told)
    assert re.search(r"\+ credit owed +.*zoo/neon", told)


def documented() -> dict[str, Any]:
    """The document that the page of JSON shapes shows."""
    page = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
    section = page.split("## `mosaic diff --json`")[1].split("\n## ")[0]
    found: dict[str, Any] = json.loads(section.split("```json\n")[1].split("```")[0])
    return found


def keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*(keys(inner) for inner in value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


def test_the_json_form_is_as_documented(git: Git, diff: Diff) -> None:
    edit("plans/alley.mosaic", "steps: 2", "steps: 3")
    document = json.loads(diff("--git", "HEAD", "--json", "--device", "h100").stdout)
    shown = documented()
    assert keys(document) == keys({**shown, "pictures": None})
    assert list(document) == list(shown)
    assert [list(plan) for plan in document["plans"]] == [list(shown["plans"][0])]
    assert document["plans"][0]["emits"][0]["changes"][0] == {
        "aspect": "steps",
        "of": None,
        "at": "sample",
        "state": "changed",
        "old": {
            "value": 2,
            "text": "2",
            "reason": None,
            "place": {"file": "HEAD:plans/alley.mosaic", "line": 7},
        },
        "new": {"value": 3, "text": "3", "reason": None, "place": {"file": "plans/alley.mosaic", "line": 7}},
    }
    assert {change["aspect"] for change in document["plans"][0]["costs"]} == {
        "seconds warm",
        "seconds cold",
        "evaluations",
    }


def test_the_aspects_are_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
    section = page.split("## `mosaic diff --json`")[1].split("\n## ")[0]
    assert [aspect.value for aspect in Aspect if f"`{aspect.value}`" not in section] == []


def test_parameters_on_both_sides(git: Git, diff: Diff) -> None:
    edit("plans/alley.mosaic", "plan alley", "param count: int\nplan alley")
    edit("plans/alley.mosaic", "steps: 2", "steps: count")
    assert "M" in diff("HEAD:plans/alley.mosaic", "plans/alley.mosaic", code=2).stderr
    told = diff("HEAD:plans/alley.mosaic", "plans/alley.mosaic", "--set", "count=2").stdout
    assert "+ parameter count  int = 2" in told and "steps" not in told
    diff("HEAD:plans/alley.mosaic", "plans/alley.mosaic", "--set", "count=2", "--set", "cuont=2", code=2)
    diff("HEAD:plans/alley.mosaic", "plans/alley.mosaic", "--set", "count=2,3", code=2)


def test_textconv(git: Git) -> None:
    """git's own diff, over meanings: a renamed name is nothing, a strength is one line."""
    command = f"{sys.executable} -m mosaic diff --textconv"
    Path(".gitattributes").write_text("*.mosaic diff=mosaic\n")
    git("config", "diff.mosaic.textconv", command)
    edit("plans/alley.mosaic", "look", "guise")
    edit("plans/alley.mosaic", "house.guise", "house.look")
    assert git("diff", "--", "plans/alley.mosaic") == ""
    edit("plans/alley.mosaic", "steps: 2", "steps: 3")
    lines = git("diff", "-U0", "--", "plans/alley.mosaic").splitlines()
    assert [line for line in lines[4:] if line[0] in "+-"] == ["-      steps: 2", "+      steps: 3"]
    Path("plans/alley.mosaic").write_text("this is no plan\n")
    assert "+this is no plan" in git("diff", "--", "plans/alley.mosaic")


def test_difftool(git: Git) -> None:
    edit("plans/alley.mosaic", "steps: 2", "steps: 3")
    command = f'{sys.executable} -m mosaic diff --at "$BASE"'
    told = git("difftool", "-y", "-x", command, "HEAD")
    assert "~ steps of sample  2 → 3  (line 7 → 7)" in told


def test_textconv_of_what_holds_no_plan(git: Git, diff: Diff) -> None:
    assert diff("--textconv", "plans/house.mosaic").stdout == HOUSE
    diff("--textconv", "plans/house.mosaic", "plans/alley.mosaic", code=2)
    diff("--textconv", "plans/none.mosaic", code=2)


def test_nothing_heavy_is_needed(git: Git) -> None:
    edit("plans/alley.mosaic", "steps: 2", "steps: 3")
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom mosaic.cli.app import app\n"
        "done = CliRunner().invoke(app, ['diff', '--git', 'HEAD'])\n"
        "assert '2 → 3' in done.stdout, done.output\n"
        "assert not {'torch', 'diffusers', 'transformers', 'PIL', 'numpy'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def programs(git: Git, diff: Diff) -> None:
    """A compiled program, a picture and a model of the plan, in `made/`."""
    pytest.importorskip("torch")
    edit("plans/alley.mosaic", "emit sample", 'emit look as "look.safetensors"\n  emit sample')
    for command in (["plan", "-o", "made/alley.json"], ["run", "-o", "made", "--no-cache"]):
        done = CliRunner().invoke(app, [command[0], "plans/alley.mosaic", *command[1:]])
        assert done.exit_code == 0, done.output


@pytest.mark.usefixtures("programs")
def test_programs_and_what_carries_a_plan(diff: Diff) -> None:
    made = ("made/alley.json", "made/alley.png", "made/look.safetensors")
    for each in made:
        assert "no difference in meaning" in diff(each, "plans/alley.mosaic", "--exit-code").stdout
    edit("plans/house.mosaic", "0.8", "0.5")  # what they carry is what the fragments were
    for each in made:
        assert "0.8 → 0.5" in diff(each, "plans/alley.mosaic").stdout
    assert "no difference" in diff(*made[:2]).stdout


@pytest.mark.usefixtures("programs")
def test_a_program_that_cannot_be_made_again(diff: Diff) -> None:
    document = json.loads(Path("made/alley.json").read_text())
    document["source"]["text"] = document["source"]["text"].replace("zoo/base", "gone/base")
    Path("made/alley.json").write_text(json.dumps(document))
    told = diff("made/alley.json", "plans/alley.mosaic").stdout
    assert "no difference in meaning" in told and "note: made/alley.json cannot be made again here" in told
    edit("plans/alley.mosaic", "steps: 2", "steps: 3")
    assert "~ steps of sample  2 → 3" in diff("made/alley.json", "plans/alley.mosaic").stdout
    Path("made/alley.json").write_text("{}")
    assert "M884" in diff("made/alley.json", "plans/alley.mosaic", code=2).stderr


@pytest.mark.usefixtures("git")
def test_a_picture_that_a_lock_decided(diff: Diff) -> None:
    pytest.importorskip("torch")
    edit("plans/alley.mosaic", "steps: 2", "steps: 2..4")
    assert CliRunner().invoke(app, ["lock", "plans/alley.mosaic"]).exit_code == 0
    edit("mosaic.lock", "taken = 4", "taken = 3")
    done = CliRunner().invoke(app, ["run", "plans/alley.mosaic", "-o", "made", "--no-cache"])
    assert done.exit_code == 0, done.output
    assert "no difference" in diff("made/alley.png", "plans/alley.mosaic").stdout
    edit("mosaic.lock", "taken = 3", "taken = 2")
    assert (
        "note: made/alley.png was not made by what its plan gives here"
        in diff("made/alley.png", "plans/alley.mosaic").stdout
    )


@pytest.mark.usefixtures("programs")
def test_both_sides_run(diff: Diff) -> None:
    edit("plans/alley.mosaic", "steps: 2", "steps: 3")
    document = json.loads(
        diff("made/alley.json", "plans/alley.mosaic", "--run", "-o", "out", "--json").stdout
    )
    picture, model = document["pictures"]
    assert set(picture) == set(documented()["pictures"][0])
    assert (model["type"], model["sheet"]) == ("model", None)
    assert model["same_content"] and not model["same_bytes"]  # they carry two plans
    assert picture["old"] == "out/old/alley.png" and picture["new"] == "out/new/alley.png"
    assert not picture["same_bytes"] and picture["mean"] > 0 and 0 < picture["share"] <= 1
    assert picture["sheet"] == "out/alley.beside.png" and Path("out/alley.difference.png").is_file()
    told = diff("plans/alley.mosaic", "plans/alley.mosaic", "--run", "-o", "out").stdout
    assert (
        "alley.png of alley: the same bytes" in told and "look.safetensors of alley: the same bytes" in told
    )
    told = diff("made/alley.json", "plans/alley.mosaic", "--run", "-o", "out", "--format", "markdown").stdout
    assert "### Pictures" in told and "levels apart on average" in told and "out/alley.beside.png" in told


@pytest.mark.usefixtures("git")
def test_the_settings_of_the_current_folder_count(diff: Diff) -> None:
    edit("plans/alley.mosaic", "steps: 2", "steps: 3")
    assert "predicted" not in diff("--git", "HEAD").stdout
    Path("mosaic.toml").write_text('device = "rtx-4090"\n')
    assert "predicted" in diff("--git", "HEAD").stdout
    Path("mosaic.toml").write_text("device = 1\n")
    assert "M897" in diff("--git", "HEAD", code=2).stderr
    assert "steps: 3" in diff("--textconv", "plans/alley.mosaic").stdout
