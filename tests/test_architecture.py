"""The house rules that a machine can hold."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mosaic.compiler.verbs import VERBS
from mosaic.stdlib import find_operators

ROOT = Path(__file__).parent.parent
ROOMS = ("grammar", "compiler", "catalog", "stdlib", "runtime")
DATABASE = ("duckdb", "_duckdb")
HEAVY = ("torch", "diffusers", "transformers", "peft", *DATABASE, "numpy", "PIL", "safetensors", "jinja2")


def test_layers() -> None:
    """The contracts in pyproject.toml: who may import whom."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_are_relative_links(room: str) -> None:
    link = ROOT / "src" / "mosaic" / room
    assert link.is_symlink()
    assert str(link.readlink()) == f"../../{room}"


@pytest.mark.parametrize("path", sorted((ROOT / "compiler" / "passes").glob("*.py")), ids=lambda p: p.stem)
def test_no_pass_knows_an_operator_by_name(path: Path) -> None:
    # `guidance` is an operator to come and an argument of `sample`.
    arguments = {parameter.name for verb in VERBS.values() for parameter in verb.parameters}
    names = {*find_operators()} - arguments
    texts = [
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert names.isdisjoint(texts)


def test_checking_imports_nothing_heavy(tmp_path: Path) -> None:
    """`mosaic check` over the zoo must run where only the core is installed, and start fast."""
    script = (
        "import json, sys\n"
        "from mosaic.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    print(json.dumps({'code': end.code, 'modules': sorted(sys.modules)}))\n"
    )
    command = [sys.executable, "-c", script, "check", "examples"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert outcome["code"] == 0, done.stdout + done.stderr
    assert [name for name in HEAVY if name in outcome["modules"]] == []
    assert "mosaic.compiler.lower" in outcome["modules"] or "mosaic.compiler.check.file" in outcome["modules"]


def _sources() -> list[Path]:
    folders = [*(ROOT / room for room in ROOMS), ROOT / "src" / "mosaic" / "cli", ROOT / "benchmarks"]
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def test_nothing_unpickles_or_evaluates() -> None:
    forbidden = re.compile(r"\b(pickle\.|torch\.load\(|yaml\.load\()|(?<![.\w])(eval|exec)\(")
    own_snapshots = "weights_only=True"  # of a training that is interrupted and goes on
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _sources()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if forbidden.search(line) and own_snapshots not in line
    ]
    assert found == []


def test_exceptions_are_named() -> None:
    broad = {"Exception", "BaseException"}
    found = []
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ExceptHandler):
                continue
            name = node.type.id if isinstance(node.type, ast.Name) else None
            reraises = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
            if (node.type is None or name in broad) and not reraises:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []
