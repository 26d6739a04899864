"""Comments that keep warnings from being shown: for which lines they count, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.compiler.diagnostic import Diagnostic, Severity
from mosaic.compiler.errors.names import UnknownName
from mosaic.compiler.errors.selecting import UnusedIgnore
from mosaic.compiler.fixing import apply_fixes
from mosaic.compiler.ignoring import apply_ignores, not_ignored, without_lints
from mosaic.compiler.source import SourceFile

PLAN = """\
mosaic 1

plan p {
  # above a statement
  let base = checkpoint("zoo/base")  # one
  let look = fuse(  # opening
    base,
    lora("zoo/neon"),  # inside
    via: sum
  )  # closing

  # above the last, and an empty line

  emit sample(
    look
  ) as "p.png"
}
"""


@dataclass(frozen=True)
class Doubtful(Diagnostic):
    code: ClassVar[str] = "M430"
    title: ClassVar[str] = "doubtful"
    severity: ClassVar[Severity] = Severity.WARNING


def at_line(source: SourceFile, number: int) -> Doubtful:
    line = source.line(number)
    start = source.line_starts[number - 1] + len(line) - len(line.lstrip())
    return Doubtful(source.span(start, start + 1))


def ignoring(comment: str, text: str = "mosaic: ignore[M430] why") -> SourceFile:
    assert f"# {comment}\n" in PLAN
    return SourceFile("p.mosaic", PLAN.replace(f"# {comment}\n", f"# {text}\n"))


@pytest.mark.parametrize(
    ("comment", "lines"),
    [
        ("above a statement", {5}),
        ("one", {5}),
        ("opening", {6, 7, 8, 9, 10}),
        ("inside", {8}),
        ("closing", {6, 7, 8, 9, 10}),
        ("above the last, and an empty line", {14, 15, 16}),
    ],
)
def test_the_lines_that_a_comment_counts_for(comment: str, lines: set[int]) -> None:
    source = ignoring(comment)
    everywhere = [at_line(source, n) for n in range(1, len(source.line_starts)) if source.line(n).strip()]
    left = not_ignored(everywhere)
    hidden = {d.span.source.position(d.span.start)[0] for d in everywhere if d not in left and d.span}
    assert hidden == lines


def test_a_comment_inside_a_call_on_its_own_line_counts_for_the_next() -> None:
    source = SourceFile("p.mosaic", PLAN.replace("    base,\n", "    # mosaic: ignore[M430]\n    base,\n"))
    hidden = [n for n in (6, 7, 8, 9) if not not_ignored([at_line(source, n)])]
    assert hidden == [8]


def test_only_the_code_that_it_names_and_never_errors() -> None:
    source = ignoring("one")
    span = at_line(source, 5).span
    assert not_ignored([UnknownName(span, "x")]) == (UnknownName(span, "x"),)
    assert not_ignored([at_line(ignoring("one", "mosaic: ignore[M431]"), 5)]) != ()
    assert not_ignored([Doubtful(None)]) == (Doubtful(None),)


@pytest.mark.parametrize(
    "text",
    [
        "mosaic: ignore[M430]",
        "mosaic:ignore[m430] with a reason, and [brackets]",
        "mosaic : ignore[M414,M430]",
        "mosaic: ignore[ M414 , M430 ]",
        "see below  # mosaic: ignore[M430]",
    ],
)
def test_spellings(text: str) -> None:
    assert not_ignored([at_line(ignoring("one", text), 5)]) == ()


@pytest.mark.parametrize("text", ["mosaic ignore[M430]", "ignore[M430]", "mosaic: ignored[M430]"])
def test_what_is_another_comment(text: str) -> None:
    source = ignoring("one", text)
    warned = at_line(source, 5)
    assert apply_ignores(((source, (warned,)),)) == ((source, (warned,)),)


def test_a_text_is_no_comment() -> None:
    source = SourceFile("p.mosaic", PLAN.replace('"zoo/base")', '"# mosaic: ignore[M430]")'))
    warned = at_line(source, 5)
    assert not_ignored([warned]) == (warned,)


def told(source: SourceFile, *found: Diagnostic) -> tuple[Diagnostic, ...]:
    ((_, left),) = apply_ignores(((source, found),))
    return left


def fixed(source: SourceFile, *found: Diagnostic) -> str:
    (unused,) = told(source, *found)
    assert isinstance(unused, UnusedIgnore)
    return apply_fixes(source.text, unused.fixes())


def test_unused_comments_are_taken_out_with_their_reason() -> None:
    without = PLAN.replace("  # one\n", "\n")
    assert fixed(ignoring("one")) == without
    assert fixed(ignoring("above a statement")) == PLAN.replace("  # above a statement\n", "")
    kept = ignoring("one", "see below  # mosaic: ignore[M430] why")
    assert fixed(kept) == PLAN.replace("# one", "# see below")


def test_of_several_codes_the_unused_are_taken_out() -> None:
    source = ignoring("one", "mosaic: ignore[M414, M430,M431] why")
    assert fixed(source, at_line(source, 5)) == ignoring("one").text
    assert told(source, at_line(source, 5))[0].message() == "there is no M414 and no M431 to ignore"


def test_an_own_line_at_the_end_of_a_file() -> None:
    source = SourceFile("p.mosaic", f"{PLAN}# mosaic: ignore[M430]")
    assert fixed(source) == PLAN


def test_line_ends_of_windows() -> None:
    source = SourceFile("p.mosaic", ignoring("above a statement").text.replace("\n", "\r\n"))
    assert fixed(source) == PLAN.replace("  # above a statement\n", "").replace("\n", "\r\n")


def test_what_is_said_stands_in_the_order_of_the_text() -> None:
    source = ignoring("inside")
    first, last = at_line(source, 5), at_line(source, 14)
    assert [d.code for d in told(source, first, last)] == ["M430", "M160", "M430"]


def test_what_is_behind_an_error_is_not_known() -> None:
    source = ignoring("one")
    mistake = UnknownName(at_line(source, 6).span, "x")
    assert told(source, mistake) == (mistake,)


def test_what_was_not_looked_for_is_not_known() -> None:
    source = ignoring("one", "mosaic: ignore[M001]")
    assert apply_ignores(((source, ()),), without_lints) == ((source, ()),)
    assert [d.code for d in told(source)] == ["M160"]


def test_a_library_is_judged_by_those_who_use_it() -> None:
    library = SourceFile(
        "lib.mosaic", "mosaic 1\ndefine f() -> image {\n  return g()  # mosaic: ignore[M430]\n}\n"
    )
    user = SourceFile("p.mosaic", PLAN)
    assert apply_ignores(((library, ()),)) == ((library, ()),)
    assert apply_ignores(((user, (at_line(library, 3),)),)) == ((user, ()),)


@given(st.text(st.sampled_from('# mosaic:ignore[M430],\n "{}()='), max_size=60))
def test_whatever_stands_there_nothing_breaks(text: str) -> None:
    source = SourceFile("p.mosaic", f"mosaic 1\nplan p {{\n{text}\n}}\n")
    warned = [at_line(source, n) for n in range(1, len(source.line_starts))]
    for diagnostic in told(source, *warned):
        for fix in diagnostic.fixes():
            apply_fixes(source.text, [fix])
