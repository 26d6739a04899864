"""The list of lints in `docs/lint.md`, written from their docstrings: `python -m mosaic.bench.lint_page`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from textwrap import dedent
from typing import Final

from mosaic.compiler.errors.lints import IdleOperand, Lint
from mosaic.compiler.explain import diagnostics, headline, page

HEADING: Final = "## The lints\n"
"""What stands above it in the page is written by hand."""


def lints() -> tuple[type[Lint], ...]:
    """Every lint, by code."""
    return tuple(kind for kind in diagnostics() if issubclass(kind, Lint))


def listed() -> str:
    """The list, Markdown, beginning with its heading."""
    rows = [f"| [{kind.code}](#{kind.code.lower()}) | {_told(kind)} | {_fix(kind)} |" for kind in lints()]
    intro = ["Written by `python -m mosaic.bench.lint_page` from what `mosaic explain` prints.", ""]
    table = ["| code | says | fix |", "|---|---|---|", *rows, ""]
    return "\n".join([HEADING, *intro, *table, *(line for kind in lints() for line in _section(kind))])


def written_anew(text: str) -> str:
    """The page with the list as it is now."""
    return text.partition(HEADING)[0] + listed()


def _section(kind: type[Lint]) -> Iterator[str]:
    yield from (f"### {kind.code}", "", f"*{_told(kind)}*", "")
    # An example is indented, in the docstring as in Markdown; fenced, it is coloured like a plan.
    for is_plan, paragraphs in groupby(page(kind).split("\n\n"), lambda each: each.startswith("    ")):
        text = "\n\n".join(paragraphs)
        yield from ("```mosaic", dedent(text), "```", "") if is_plan else (text, "")


def _told(kind: type[Lint]) -> str:
    return headline(kind).replace("`…`", "…")


def _fix(kind: type[Lint]) -> str:
    if not kind.remedy:
        return "–"
    if kind is IdleOperand:
        return "`--fix` where `via` pins the operator, else `--unsafe-fixes`"
    return "`--fix`" if kind.is_safe else "`--unsafe-fixes`"


def main() -> None:
    """Write the list into the page."""
    parser = argparse.ArgumentParser(prog="python -m mosaic.bench.lint_page", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/lint.md"))
    path = parser.parse_args().output
    path.write_text(written_anew(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
