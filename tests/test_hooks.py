"""The hooks of this repository, by pre-commit itself: it clones what is here, installs it and runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))

from benchmarks import bench_core
from tests import services

ROOT = Path(__file__).parent.parent
PLAN = (ROOT / "src" / "mosaic" / "templates" / "project" / "first.mosaic").read_text(encoding="utf-8")


def test_the_manifest_is_valid() -> None:
    done = services.script("pre-commit validate-manifest .pre-commit-hooks.yaml", ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_hooks(tmp_path: Path) -> None:
    """Needs a package registry, as pre-commit does anywhere."""
    source = bench_core.source(tmp_path / "mosaic")
    for name in (".pre-commit-hooks.yaml", ".gitignore"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    services.repository(source)
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "first.mosaic").write_text(PLAN, encoding="utf-8")
    (plans / "notes.txt").write_text("no plan\n", encoding="utf-8")
    services.repository(plans)
    variables = {
        "PRE_COMMIT_HOME": str(tmp_path / "home"),
        "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
        "PIP_NO_INDEX": "0",
    }
    run = f"pre-commit try-repo '{source}' --all-files --color never"
    done = services.script(run, plans, variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Passed") == 3
    plan = plans / "first.mosaic"
    plan.write_text(PLAN.replace("  let neon", "     let neon"), encoding="utf-8")
    done = services.script(f"{run} --hook-stage pre-commit", plans, variables)
    assert done.returncode == 1 and done.stdout.count("Failed") == 1
    assert plan.read_text(encoding="utf-8") == PLAN  # fmt mended it
    plan.write_text(PLAN.replace("zoo/neon", "zoo/noen"), encoding="utf-8")
    done = services.script(run, plans, variables)
    assert done.returncode == 1 and done.stdout.count("M210") == 2  # check and lint
