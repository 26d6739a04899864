"""What is taken out leaves tidy text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.compiler.diagnostic import Fix, Sink
from mosaic.compiler.fixing import apply
from mosaic.compiler.lint.names import calls
from mosaic.compiler.removing import argument_removal, removal
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax import tree
from mosaic.compiler.syntax.format import format_file
from mosaic.compiler.syntax.parse import parse


def read(text: str) -> tree.File:
    sink = Sink()
    file = parse(SourceFile("p.mosaic", text), sink)
    assert not list(sink), [d.message() for d in sink]
    return file


def without(text: str, *names: str) -> str:
    """The text without the `let`s, parameters and fragments of these names."""
    file = read(text)
    nodes = [*file.items, *(node for item in file.items if isinstance(item, tree.Plan) for node in item.body)]
    gone = [node for node in nodes if isinstance(node, tree.Let | tree.Parameter | tree.Define)]
    fixes = [Fix("", (removal(node.span),)) for node in gone if node.name.text in names]
    assert fixes
    return apply(file.source, fixes).text


def body(text: str) -> str:
    return f"mosaic 1\n\nplan p {{\n{text}}}\n"


@pytest.mark.parametrize(
    ("before", "names", "after"),
    [
        ("  let a = 1\n  let b = 2\n", "a", "  let b = 2\n"),
        ("  let a = 1  # why\n  let b = 2\n", "a", "  let b = 2\n"),
        # A comment above goes with what stands alone below it, and stays where it may head more.
        ("  let b = 2\n\n  # why\n  let a = 1\n", "a", "  let b = 2\n"),
        ("  # why\n  let a = 1\n\n  # and\n  let b = 2\n", "a", "  # and\n  let b = 2\n"),
        ("  # both\n  let a = 1\n  let b = 2\n", "a", "  # both\n  let b = 2\n"),
        ("  # apart\n\n  let a = 1\n", "a", "  # apart\n"),
        ("  # above\n  # it\n  let a = 1\n  # last\n", "a", "  # last\n"),
        # Empty lines: none at an edge, never two.
        ("  let a = 1\n\n  let b = 2\n", "a", "  let b = 2\n"),
        ("  let b = 2\n\n  let a = 1\n", "a", "  let b = 2\n"),
        ("  let b = 2\n\n  let a = 1\n\n  let c = 3\n", "a", "  let b = 2\n\n  let c = 3\n"),
        ("  let b = 2\n\n  let a = 1\n  let d = 4\n\n  let c = 3\n", "ad", "  let b = 2\n\n  let c = 3\n"),
        ("  let a = 1\n\n  let b = 2\n\n  let c = 3\n", "abc", ""),
        # The `=` of what is left stand in one column again.
        ("  let a    = 1\n  let b    = 2\n  let long = 3\n", ["long"], "  let a = 1\n  let b = 2\n"),
        # Several lines.
        ("  let a = f(\n    b,  # why\n  )\n  let b = 2\n", "a", "  let b = 2\n"),
    ],
)
def test_statements(before: str, names: str, after: str) -> None:
    text = body(before)
    assert format_file(read(text)) == text
    wanted = body(after) if after else "mosaic 1\n\nplan p {}\n"
    assert without(text, *names) == wanted


@pytest.mark.parametrize(
    ("before", "names", "after"),
    [
        ("mosaic 1 plan p { let a = 1 let b = 2 }", "a", "mosaic 1 plan p { let b = 2 }"),
        ("mosaic 1 plan p { let a = 1 let b = 2 }", "b", "mosaic 1 plan p { let a = 1 }"),
        ("mosaic 1\nplan p {\n  let a = 1 # why\n}\n", "a", "mosaic 1\nplan p {\n}\n"),
        ("mosaic 1\nplan p { let a = 1 # why\n}\n", "a", "mosaic 1\nplan p { # why\n}\n"),
        ("mosaic 1\nplan p {\n  let   b=2\n  let a = 1\n}\n", "a", "mosaic 1\nplan p {\n  let   b=2\n}\n"),
        ("mosaic 1\r\nplan p {\r\n  let  a = 1\r\n\r\n  let b = 2\r\n}\r\n", "a",
         "mosaic 1\r\nplan p {\r\n  let b = 2\r\n}\r\n"),
        ("mosaic 1\n\nparam a: int = 1\n\nplan p {\n}\n", "a", "mosaic 1\n\nplan p {\n}\n"),
        ("mosaic 1\nplan p {\n}\n\n# It.\nparam a: int = 1", "a", "mosaic 1\nplan p {\n}\n"),
    ],
)  # fmt: skip
def test_of_texts_that_are_not_canonical_nothing_else_changes(before: str, names: str, after: str) -> None:
    assert without(before, *names) == after


@pytest.mark.parametrize(
    ("call", "position", "after"),
    [
        ("f(a, b, c)", 1, "f(a, c)"),
        ("f(a, b)", 1, "f(a)"),
        ("f(a, b)", 0, "f(b)"),
        ("f(a)", 0, "f()"),
        ("f(a,)", 0, "f()"),
        ("f(\n  a,\n  b,  # why\n  c,\n)", 1, "f(\n  a,\n  c,\n)"),
        ("f(\n  a, # why\n  b, c)", 1, "f(\n  a, # why\n  c)"),
        ("f(a, # why\n  b)", 1, None),
        ("f(a # why\n)", 0, None),
        ("f(a,\n  b,\n  c)", 0, "f(b,\n  c)"),
    ],
)
def test_arguments(call: str, position: int, after: str | None) -> None:
    file = read(f"mosaic 1 plan p {{ let x = {call} }}")
    ((found, _),) = calls(file, "f")
    edit = argument_removal(found, position)
    if edit is None:
        assert after is None
        return
    text = apply(file.source, [Fix("", (edit,))]).text
    read(text)
    assert after is not None
    assert text.replace("\n", "").replace(" ", "") == f"mosaic1planp{{letx={after}}}".replace(
        "\n", ""
    ).replace(" ", "")


lines = st.lists(
    st.sampled_from(["let", "let", "gone", "gone", "# note", "", "let x{n} = f(\n    1,  # in\n  )"]), max_size=14
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(lines, st.booleans())
def test_what_is_left_is_in_order_and_tidy(kinds: list[str], is_canonical: bool) -> None:
    written = []
    for n, kind in enumerate(kinds):
        spelled = {
            "let": f"let kept{n} = {n}  # behind {n}.",
            "gone": f"let gone{n} = {n}",
            "# note": f"# note {n}.",
        }
        line = spelled.get(kind, kind.replace("{n}", str(n)))
        written.append(f"  {line}" if line else "")
    text = body("".join(f"{line}\n" for line in written))
    text = format_file(read(text)) if is_canonical else text
    gone = re.findall(r"let (gone\d+)", text)
    if not gone:
        return
    after = without(text, *gone)
    left = [kind for kind in re.findall(r"let (kept\d+|x\d+)|(# behind \d+\.)", text)]
    assert re.findall(r"let (kept\d+|x\d+)|(# behind \d+\.)", after) == left
    assert "gone" not in after
    notes = re.findall(r"# note \d+\.", after)
    assert notes == [note for note in re.findall(r"# note \d+\.", text) if note in notes]
    if is_canonical:
        assert format_file(read(after)) == after

    # No gap is wider than before, and none comes to stand at an edge.
    def widest(of: str) -> int:
        return max(map(len, re.findall(r"\n{2,}", of)))

    assert widest(after) <= widest(text)
    assert "{\n\n" in text or "{\n\n" not in after
