"""The renderers on made-up diagnostics."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from textwrap import dedent
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.compiler.diagnostic import Diagnostic, Edit, Fix, Label, Severity
from mosaic.compiler.fixing import apply_fixes
from mosaic.compiler.reporting.document import json_report, render_json
from mosaic.compiler.reporting.text import render_text, visible
from mosaic.compiler.source import SourceFile, Span

BASKET = SourceFile("basket.fruit", "put 3 apples, 2 pears\nand a plum\n\n\n\n\n\n\nthen eat 5 apples\n")
RECIPE = SourceFile("./recipes/cake.fruit", "flour\nsugar, pears\n")


def at(source: SourceFile, text: str, nth: int = 1) -> Span:
    start = -1
    for _ in range(nth):
        start = source.text.index(text, start + 1)
    return source.span(start, start + len(text))


@dataclass(frozen=True)
class WrongFruit(Diagnostic):
    code: ClassVar[str] = "M942"
    title: ClassVar[str] = "{count} {fruit} too many"
    label: ClassVar[str] = "{fruit} grow elsewhere"

    fruit: str
    count: int
    more: tuple[Label, ...] = ()
    advice: tuple[str, ...] = ()
    mends: tuple[Fix, ...] = field(default=())

    def labels(self) -> tuple[Label, ...]:
        return self.more

    def help(self) -> tuple[str, ...]:
        return self.advice

    def fixes(self) -> tuple[Fix, ...]:
        return self.mends


@dataclass(frozen=True)
class RipeSoon(WrongFruit):
    severity: ClassVar[Severity] = Severity.WARNING
    label: ClassVar[str] = ""


def show(*diagnostics: Diagnostic) -> str:
    return render_text(diagnostics)


def golden(text: str) -> str:
    return dedent(text).removeprefix("\n")


def test_one_place() -> None:
    found = WrongFruit(at(BASKET, "apples"), "apples", 3)
    assert show(found) == golden("""
        error[M942]: 3 apples too many
          ┌ basket.fruit:1:7
        1 │ put 3 apples, 2 pears
          │       ────── apples grow elsewhere
        """)


def test_everything_at_once() -> None:
    found = WrongFruit(
        at(BASKET, "apples"),
        "apples",
        3,
        more=(
            Label(at(BASKET, "pears"), "pears do not"),
            Label(at(BASKET, "2"), "two of them"),
            Label(at(BASKET, "apples", 2), "eaten here"),
            Label(at(BASKET, "plum"), "near a plum"),
            Label(at(RECIPE, "pears"), "and the recipe wants pears"),
        ),
        advice=("eat some", "or bake\na cake"),
        mends=(Fix("put 3 pears", (Edit(at(BASKET, "apples"), "pears"),)),),
    )
    assert show(found) == golden("""
        error[M942]: 3 apples too many
          ┌ basket.fruit:1:7
        1 │ put 3 apples, 2 pears
          │       ──────  ─ ───── pears do not
          │       │       │
          │       │       two of them
          │       │
          │       apples grow elsewhere
        2 │ and a plum
          │       ──── near a plum
          ·
        9 │ then eat 5 apples
          │            ────── eaten here
          ┌ ./recipes/cake.fruit:2:8
        2 │ sugar, pears
          │        ───── and the recipe wants pears
          = help: eat some
          = help: or bake
                  a cake
          = fix:  put 3 pears
        """)


def test_several_in_a_row_and_a_warning_without_a_text() -> None:
    text = show(
        WrongFruit(None, "plums", 1, advice=("ask the gardener",)), RipeSoon(at(BASKET, "pears"), "pears", 2)
    )
    assert text == golden("""
        error[M942]: 1 plums too many
          = help: ask the gardener

        warning[M942]: 2 pears too many
          ┌ basket.fruit:1:17
        1 │ put 3 apples, 2 pears
          │                 ─────
        """)


def test_nothing() -> None:
    assert show() == ""


def test_a_place_in_a_file_that_is_no_text() -> None:
    nowhere = SourceFile("photo.png", "").span(0, 0)
    assert show(WrongFruit(nowhere, "pixels", 9)) == "error[M942]: 9 pixels too many\n  ┌ photo.png\n"


def test_line_numbers_share_a_gutter() -> None:
    source = SourceFile("long.fruit", "pear\n" * 120)
    found = WrongFruit(source.span(595, 599), "pears", 120, more=(Label(source.span(10, 14), "the third"),))
    assert show(found) == golden("""
        error[M942]: 120 pears too many
            ┌ long.fruit:120:1
          3 │ pear
            │ ──── the third
            ·
        120 │ pear
            │ ──── pears grow elsewhere
        """)


def test_empty_spans_and_the_end_of_the_file() -> None:
    source = SourceFile("x", "pear")
    assert show(WrongFruit(source.span(4, 4), "pears", 1)) == golden("""
        error[M942]: 1 pears too many
          ┌ x:1:5
        1 │ pear
          │     ─ pears grow elsewhere
        """)
    source = SourceFile("x", "pear\n")
    assert show(WrongFruit(source.span(5, 5), "pears", 1)) == golden("""
        error[M942]: 1 pears too many
          ┌ x:2:1
        2 │
          │ ─ pears grow elsewhere
        """)


def test_a_span_over_lines_is_marked_on_its_first() -> None:
    source = SourceFile("x", "a pear\nand a plum\n")
    assert show(WrongFruit(source.span(2, 17), "fruit", 1)) == golden("""
        error[M942]: 1 fruit too many
          ┌ x:1:3
        1 │ a pear
          │   ──── fruit grow elsewhere
        """)


def test_nested_spans_keep_both_texts() -> None:
    found = WrongFruit(
        at(BASKET, "3 apples, 2 pears"), "fruit", 5, more=(Label(at(BASKET, "apples"), "these"),)
    )
    assert show(found) == golden("""
        error[M942]: 5 fruit too many
          ┌ basket.fruit:1:5
        1 │ put 3 apples, 2 pears
          │     ─────────────────
          │     │ │
          │     │ these
          │     │
          │     fruit grow elsewhere
        """)


def test_wide_characters_and_tabs_keep_marks_in_place() -> None:
    source = SourceFile("x", "\t梨と e\u0301 pear\tplum")
    found = WrongFruit(
        at(source, "pear"), "pears", 1, more=(Label(at(source, "梨"), "nashi"), Label(at(source, "plum"), ""))
    )
    lines = show(found).splitlines()
    assert lines[2] == "1 │     梨と e\u0301 pear plum"
    # In columns of a terminal: four of the tab, two for each wide character, none for the combining accent.
    assert lines[3] == "  │     ──     ──── ────"
    assert lines[4:] == [
        "  │     │      │",
        "  │     │      pears grow elsewhere",
        "  │     │",
        "  │     nashi",
    ]


def test_a_long_line_is_cut_around_its_mark() -> None:
    source = SourceFile("x", "pear " * 1000)
    lines = show(WrongFruit(source.span(2500, 2504), "pears", 1)).splitlines()
    assert all(len(line) < 200 for line in lines)
    assert lines[2].startswith("1 │ …")
    assert lines[2].endswith("…")
    column = lines[3].index("─")
    assert lines[2][column : column + 4] == "pear"


def test_nothing_steers_the_terminal() -> None:
    source = SourceFile("\x1b[2Jx", "\x1b[31mpear\u202e \x00\x07 plum\r\n")
    found = WrongFruit(source.span(5, 9), "\x1b]0;title\x07", 1, advice=("\x9b31m",))
    for text in (show(found), render_text([found], color=True).replace("\x1b[", "")):
        assert not set(text) & set("\x1b\x00\x07\x9b\u202e\r")


def test_color_changes_nothing_but_color() -> None:
    import re

    found = WrongFruit(
        at(BASKET, "apples"), "apples", 3, more=(Label(at(BASKET, "pears"), "x"),), advice=("y",)
    )
    painted = render_text([found], color=True)
    assert "\x1b[1;31merror[M942]\x1b[0m" in painted
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == show(found)


@given(
    st.text(min_size=1, max_size=80),
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80), st.text(max_size=5)), max_size=4),
)
def test_any_text_and_any_labels_can_be_shown(text: str, places: list[tuple[int, int, str]]) -> None:
    source = SourceFile("x", text)
    spans = [source.span(min(a, len(text)), min(max(a, b), len(text))) for a, b, _ in places]
    labels = tuple(Label(span, words) for span, (_, _, words) in zip(spans, places, strict=True))
    shown = show(WrongFruit(source.span(0, len(text)), "pears", 1, more=labels))
    for _, _, words in places:
        assert visible(words).rstrip() in shown


def test_json() -> None:
    found = WrongFruit(
        at(BASKET, "plum"),
        "plums",
        1,
        more=(Label(at(RECIPE, "pears"), "not in JSON"),),
        advice=("eat it",),
        mends=(Fix("eat", (Edit(at(BASKET, "a plum\n"), ""),), safe=False),),
    )
    report = json_report([found, RipeSoon(None, "pears", 2)], files=3)
    assert json.loads(json.dumps(report)) == {
        "version": 1,
        "diagnostics": [
            {
                "code": "M942",
                "severity": "error",
                "message": "1 plums too many",
                "file": "basket.fruit",
                "line": 2,
                "column": 7,
                "end_line": 2,
                "end_column": 11,
                "help": ["eat it"],
                "fixes": [
                    {
                        "title": "eat",
                        "safe": False,
                        "edits": [
                            {"line": 2, "column": 5, "end_line": 3, "end_column": 1, "replacement": ""}
                        ],
                    }
                ],
            },
            {
                "code": "M942",
                "severity": "warning",
                "message": "2 pears too many",
                "file": None,
                "line": None,
                "column": None,
                "end_line": None,
                "end_column": None,
                "help": [],
                "fixes": [],
            },
        ],
        "files": 3,
    }
    assert render_json([]) == []


# Fixes


def change(text: str, *edits: tuple[int, int, str]) -> Fix:
    source = SourceFile("x", text)
    return Fix("", tuple(Edit(source.span(start, end), new) for start, end, new in edits))


@pytest.mark.parametrize(
    ("fixes", "expected"),
    [
        ([], "abcdef"),
        ([[(1, 2, "X")]], "aXcdef"),
        ([[(4, 4, "Z")], [(0, 0, "A")], [(2, 3, "")]], "AabdZef"),
        ([[(0, 1, "1"), (5, 6, "6")]], "1bcde6"),
        ([[(1, 3, "X")], [(2, 4, "Y")]], "aXdef"),  # overlap: the first counts
        ([[(1, 3, "X")], [(0, 1, "0"), (2, 4, "Y")]], "aXdef"),  # wholly or not at all
        ([[(1, 3, "X")], [(3, 4, "Y")]], "aXYef"),  # side by side
        ([[(2, 2, "X")], [(2, 2, "Y")]], "abXcdef"),  # their order would be a guess
        ([[(2, 2, "X")], [(2, 2, "X"), (0, 0, "Y")]], "YabXcdef"),  # the same edit counts once
    ],
)
def test_apply_fixes(fixes: list[list[tuple[int, int, str]]], expected: str) -> None:
    assert apply_fixes("abcdef", [change("abcdef", *edits) for edits in fixes]) == expected
