"""The operators' pages are what their declarations say today."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic import stdlib
from mosaic.bench import pages

DOCS = Path(__file__).parents[2] / "docs" / "operators"
OPERATORS = stdlib.find_operators()


@pytest.mark.parametrize("name", OPERATORS)
def test_a_page_is_as_the_operator_declares(name: str) -> None:
    written = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert written == pages.page(OPERATORS[name]), "write it anew: python -m mosaic.bench.pages --text"
    assert (DOCS / f"{name}.png").is_file(), "draw it: python -m mosaic.bench.pages"


def test_the_list_names_every_operator() -> None:
    assert (DOCS / "README.md").read_text(encoding="utf-8") == pages.index(OPERATORS.values())


def test_settings_stand_with_their_bounds() -> None:
    page = pages.page(OPERATORS["ties"])
    assert "| `density` | number | 0.5 | more than 0, at most 1 |" in page
    assert "| `rank` | int | 0 |" in page
