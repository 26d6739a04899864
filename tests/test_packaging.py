"""What is shipped: wheel and sdist hold the code and the data, and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WANTED = (
    "mosaic/py.typed",
    "mosaic/__init__.py",
    "mosaic/cli/app.py",
    "mosaic/grammar/mosaic.lark",
    "mosaic/grammar/mistakes.toml",
    "mosaic/compiler/program.py",
    "mosaic/catalog/experts.py",
    "mosaic/runtime/engine.py",
    "mosaic/runtime/report.html.j2",
    "mosaic/stdlib/operators/sum.py",
    "mosaic/stdlib/fragments/looks.mosaic",
    "mosaic/stdlib/zoo/index.json",
    "mosaic/catalog/store/schema/001_experts.sql",
    "mosaic/templates/project/first.mosaic",
)
ROOMS = ("grammar", "compiler", "catalog", "stdlib", "runtime", "src/mosaic")
LARGEST = 25_000_000


def _zoo_files() -> list[str]:
    models = ROOT / "stdlib" / "zoo" / "models"
    return [
        f"mosaic/stdlib/zoo/models/{p.relative_to(models).as_posix()}"
        for p in models.rglob("*")
        if p.is_file()
    ]


def _rooms() -> set[str]:
    """Every file of the rooms, as a package has it."""
    found = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
                found.add("mosaic/" + path.relative_to(ROOT).as_posix().removeprefix("src/mosaic/"))
    return found


def _missing(names: Iterable[str]) -> set[str]:
    return {*WANTED, *_zoo_files(), *_rooms()} - set(names)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sdist, and the wheel that is built from it, out of a copy: two builds in one folder disturb each other."""
    folder = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source") / "mosaic"
    skipped = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "out")
    shutil.copytree(ROOT, source, symlinks=True, ignore=skipped)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_wheel(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert _missing(names) == set()
    assert wheel.stat().st_size < LARGEST
    assert [name for name in names if name.startswith(("tests/", "compiler/"))] == []
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.slow
def test_sdist(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        members = sdist.getmembers()
    names = [member.name.split("/", 1)[-1].removeprefix("src/") for member in members]
    assert _missing(names) == set()
    # Links would point nowhere once unpacked elsewhere.
    assert [member.name for member in members if member.issym()] == []


@pytest.mark.slow
def test_wheel_runs_alone(built: Path, tmp_path: Path) -> None:
    """Unpacked in an empty folder, without the repository, it checks a plan over the zoo."""
    (wheel,) = built.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    plan = tmp_path / "alley.mosaic"
    plan.write_bytes((ROOT / "examples" / "alley.mosaic").read_bytes())
    script = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); import mosaic; from mosaic.cli import main; "
    script += "assert 'site' in mosaic.__file__, mosaic.__file__; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "check", plan.name], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_dependency_is_pinned() -> None:
    """CI and `make` install what constraints.txt says; an unpinned direct dependency would drift."""
    pinned = {
        line.split("==")[0].strip().lower()
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(r for extra in project["optional-dependencies"].values() for r in extra),
    ]
    names = {re.split(r"[>=\[]", requirement)[0].strip().lower() for requirement in wanted} - {"mosaic-plan"}
    assert names - pinned == set()


def test_core_is_free_of_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    core = {requirement.split(">=")[0] for requirement in project["dependencies"]}
    assert core.isdisjoint({"torch", "diffusers", "transformers", "peft", "safetensors", "numpy"})
