"""Runs examples of the Python interface: each in a folder of its own, a git repository with one plan in it."""

from __future__ import annotations

import doctest
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import mosaic

LORA = Path(__file__).parent / "cases" / "errors" / "experts" / "licensed" / "rust.safetensors"
PLAN = """\
mosaic 1

param seed: int = 1

plan cat {
  let picture = sample(checkpoint("zoo/base"), prompt: "a red cat", steps: 2, seed: seed)
  emit picture as "cat.png"
}
"""


def names(folder: Path) -> dict[str, object]:
    """What examples may use."""
    plan = folder / "cat.mosaic"
    plan.write_text(PLAN, encoding="utf-8")
    shutil.copy(LORA, folder)
    for words in (["init", "-q"], ["add", "cat.mosaic"], ["commit", "-q", "-m", "a cat"]):
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", str(folder), *who, *words], check=True)
    return {"mosaic": mosaic, "PLAN": PLAN, "plan": plan, "folder": folder, "Path": Path}


def run(tests: Iterable[doctest.DocTest]) -> int:
    """How many examples ran. Raises AssertionError where one gives something else than it shows."""
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    told: list[str] = []
    count = 0
    for test in tests:
        count += len(test.examples)
        runner.run(test, out=told.append, clear_globs=False)
    assert not runner.failures, "\n".join(told)
    return count
