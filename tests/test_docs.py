"""What the pages say is true: their plans are sound, their codes exist, their links lead somewhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from mosaic.compiler.diagnostic import Severity
from mosaic.compiler.explain import diagnostics
from mosaic.compiler.source import SourceFile
from mosaic.compiler.verbs import SCHEDULERS, VERBS
from mosaic.project import Project
from mosaic.stdlib import find_operators

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_plans_are_sound(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "examples")
    project = Project()
    for block in re.findall(
        r"^```mosaic\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    ):
        if "mosaic 1\n" not in block:
            continue  # a part of a plan
        found = project.check(SourceFile("<page>", block))
        assert [d.message() for d in found if d.severity is Severity.ERROR] == []


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_codes_exist(page: Path) -> None:
    known = {kind.code for kind in diagnostics()}
    assert set(re.findall(r"\bM\d{3}\b", page.read_text(encoding="utf-8"))) - known == set()


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_readme_shows_the_example() -> None:
    plan = (ROOT / "examples" / "alley.mosaic").read_text(encoding="utf-8")
    assert f"```mosaic\n{plan}```" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_language_page_names_everything() -> None:
    text = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    wanted = [*VERBS, *SCHEDULERS, *find_operators()]
    assert [name for name in wanted if name not in text] == []


def test_the_command_line_page_names_every_command() -> None:
    from mosaic.cli.app import app

    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    names = [command.name for command in app.registered_commands]
    assert names
    assert [name for name in names if f"mosaic {name}" not in text] == []


def test_make_targets_that_pages_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in PAGES:
        for block in re.findall(
            r"^```\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        ):
            for target in re.findall(r"^make ([a-z-]+)", block, re.MULTILINE):
                assert f"\n{target}:" in makefile, f"{page.name}: make {target}"


def test_extras_that_pages_name_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    for page in PAGES:
        for named in re.findall(r"(?:mosaic-plan|\.)\[([a-z,]+)\]", page.read_text(encoding="utf-8")):
            assert set(named.split(",")) <= set(extras), f"{page.name}: [{named}]"
