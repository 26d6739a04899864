"""The page of lints is what their docstrings say today, and its examples say what they are said to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mosaic.bench import lint_page
from mosaic.compiler.errors.lints import Lint
from mosaic.compiler.explain import page

PAGE = Path(__file__).parents[2] / "docs" / "lint.md"


def test_the_list_is_as_the_lints_say() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == lint_page.written_anew(text), "write it anew: python -m mosaic.bench.lint_page"


@pytest.mark.parametrize("kind", lint_page.lints(), ids=lambda kind: kind.code)
def test_every_lint_has_an_example_that_names_it(kind: type[Lint]) -> None:
    example = "\n".join(line for line in page(kind).splitlines() if line.startswith("    "))
    assert re.search(rf"# {kind.code}\b", example)
    assert f"### {kind.code}\n" in PAGE.read_text(encoding="utf-8")
