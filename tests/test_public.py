"""The public names: which there are, that they say what they do, and that what they say is true."""

from __future__ import annotations

import doctest
import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from tests import api_doctests

import mosaic

ROOT = Path(__file__).parent.parent
NAMES = [name for name in mosaic.__all__ if name != "__version__"]


def test_the_list_of_names_is_what_was_promised() -> None:
    """Whoever adds a name writes it here, in docs/python.md and in CHANGELOG.md; nobody takes one away."""
    assert mosaic.__all__ == [
        "Catalog",
        "Compiled",
        "Composed",
        "Diagnostic",
        "Difference",
        "Linted",
        "Locked",
        "MosaicError",
        "Outcome",
        "Program",
        "Report",
        "SourceFile",
        "UsageError",
        "__version__",
        "check",
        "compile",
        "compose",
        "diff",
        "diff_revisions",
        "explain",
        "fmt",
        "graph",
        "lint",
        "lock_plans",
        "new",
        "recover",
        "run",
        "verify",
    ]
    assert set(mosaic.__all__) <= set(dir(mosaic))
    assert not hasattr(mosaic, "no_such_name")


@pytest.mark.parametrize("name", NAMES)
def test_no_module_hides_a_name(name: str) -> None:
    assert importlib.util.find_spec(f"mosaic.{name}") is None


@pytest.mark.parametrize("name", NAMES)
def test_a_name_has_an_example_that_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = inspect.getdoc(getattr(mosaic, name)) or ""
    test = doctest.DocTestParser().get_doctest(text, api_doctests.names(tmp_path), name, None, 0)
    assert api_doctests.run([test]) > 0, f"mosaic.{name} shows no example"


@pytest.mark.parametrize("name", [name for name in NAMES if name[0].islower()])
def test_a_function_is_typed_and_told_on_the_page(name: str) -> None:
    signature = inspect.signature(getattr(mosaic, name))
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values())
    assert f"mosaic.{name}(" in (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    # A fence would be taken for what an example prints.
    text = "\n".join("" if line.startswith("```") else line for line in text.splitlines())
    test = doctest.DocTestParser().get_doctest(text, api_doctests.names(tmp_path), "python.md", None, 0)
    assert api_doctests.run([test]) > 20


def test_importing_is_cheap() -> None:
    script = "import sys; before = set(sys.modules); import mosaic; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {name.partition(".")[0] for name in done.stdout.split()} & {"pydantic", "lark", "torch"} == set()
    assert [name for name in done.stdout.split() if name.startswith("mosaic")] == ["mosaic"]
