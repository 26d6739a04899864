"""docs/ci.md does what it says: a newcomer who types what stands there gets what stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests import services

PAGE = (Path(__file__).parent.parent / "docs" / "ci.md").read_text(encoding="utf-8")
WALK = PAGE.partition("## From nothing to a reviewed change")[2].partition("\n## ")[0]
BLOCK = re.compile(r"^```(sh|markdown)\n(.*?)^```", re.DOTALL | re.MULTILINE)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
PERSON = {
    f"GIT_{role}_{what}": "a@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}


def test_the_walk(tmp_path: Path) -> None:
    blocks = BLOCK.findall(WALK)
    scripts = [text for kind, text in blocks if kind == "sh"]
    assert len(scripts) >= 5 and len(blocks) == len(scripts) + 1
    mark = "-- the next block --"
    done = services.script(f"\necho '{mark}'\n".join(scripts), tmp_path, PERSON)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = done.stdout.split(f"{mark}\n")
    shown = next(number for number, (kind, _) in enumerate(blocks) if kind == "markdown")
    assert DIGEST.sub("sha256:…", printed[shown - 1]) == blocks[shown][1]
    project = tmp_path / "alley"
    assert services.git(project, "status", "--porcelain") == ""
    assert services.git(project, "log", "--format=%s").splitlines() == ["Less neon", "Start"]


def test_the_walk_runs_what_the_workflow_runs() -> None:
    """The page calls these the workflow's commands."""
    template = Path(__file__).parent.parent / "src" / "mosaic" / "templates" / "project" / "github.yml"
    steps = services.commands(services.read(template)["jobs"]["plans"]["steps"])
    scripts = [step["run"] for step in steps]
    for line in ("mosaic fmt --check plans", "mosaic lint plans", "mosaic lock --locked"):
        assert line in scripts and f"\n{line}\n" in WALK


@pytest.mark.parametrize("name", ["inputs", "outputs"])
def test_the_action_is_told_whole(name: str) -> None:
    action = services.read(Path(__file__).parent.parent / "action.yml")
    assert [key for key in action[name] if f"`{key}`" not in PAGE] == []


def test_inputs_have_the_defaults_that_are_told() -> None:
    action = services.read(Path(__file__).parent.parent / "action.yml")
    told = dict(re.findall(r"^\| `([\w-]+)` \| `([^`]+)` \|", PAGE.partition("## GitHub")[2], re.MULTILINE))
    assert len(told) >= 7
    assert {key: action["inputs"][key]["default"] for key in told} == told


def test_hooks_that_are_told_exist() -> None:
    manifest = services.yaml.safe_load(
        (Path(__file__).parent.parent / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    )
    assert {hook["id"] for hook in manifest} == set(re.findall(r"- id: (mosaic-\w+)", PAGE))
