"""The parser: what it builds, what it says, and that nothing makes it fall over."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mosaic.compiler.diagnostic import Diagnostic, Sink
from mosaic.compiler.fixing import apply_fixes
from mosaic.compiler.reporting.text import render_text
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax import tree
from mosaic.compiler.syntax.format import format_file
from mosaic.compiler.syntax.limits import MAX_DEPTH, MAX_MISTAKES, MAX_SIZE
from mosaic.compiler.syntax.parse import decode, parse
from mosaic.compiler.types import Kind


def read(text: str) -> tuple[tree.File, list[Diagnostic]]:
    sink = Sink()
    return parse(SourceFile("made.mosaic", text), sink), list(sink)


def plan(*lines: str) -> str:
    return "".join(["mosaic 1\n\nplan p {\n", *(f"  {line}\n" for line in lines), "}\n"])


def value_of(spelling: str) -> tree.Expression:
    file, found = read(plan(f"let x = {spelling}"))
    assert not found
    (block,) = file.items
    assert isinstance(block, tree.Plan)
    (let,) = block.body
    assert isinstance(let, tree.Let)
    return let.value


def places(found: list[Diagnostic]) -> list[tuple[str, int]]:
    """(code, line) of each message."""
    return [(d.code, d.span.source.position(d.span.start)[0] if d.span else 0) for d in found]


# Trees


@pytest.mark.parametrize(
    ("spelling", "kind", "value", "canonical"),
    [
        ("20", Kind.INT, 20, "20"),
        ("-007", Kind.INT, -7, "-7"),
        ("0.80", Kind.NUMBER, 0.8, "0.8"),
        ("1.0", Kind.NUMBER, 1.0, "1.0"),
        ("1E+3", Kind.NUMBER, 1000.0, "1e3"),
        ("-0.0", Kind.NUMBER, 0.0, "0.0"),
        ("30%", Kind.FRACTION, 0.3, "30%"),
        ("12.50%", Kind.FRACTION, 0.125, "12.5%"),
        ("2s", Kind.DURATION, 2.0, "2s"),
        ("500ms", Kind.DURATION, 0.5, "500ms"),
        ("1.5min", Kind.DURATION, 90.0, "1.5min"),
        ("8GiB", Kind.MEMORY, 8 * 2**30, "8GiB"),
        ("0.5KiB", Kind.MEMORY, 512, "0.5KiB"),
        ("64x048", Kind.SIZE, (64, 48), "64x48"),
        ("true", Kind.FLAG, True, "true"),
        ("false", Kind.FLAG, False, "false"),
        ("9007199254740991", Kind.INT, 2**53 - 1, "9007199254740991"),
    ],
)
def test_literals(spelling: str, kind: Kind, value: object, canonical: str) -> None:
    literal = value_of(spelling)
    assert isinstance(literal, tree.Literal)
    assert (literal.kind, literal.value, literal.text) == (kind, value, canonical)
    assert type(literal.value) is type(value)
    assert literal.span.text == spelling


@pytest.mark.parametrize("spelling", ["nan", "inf", "NaN", "mosaic", "Let", "lets", "house.glow"])
def test_words_that_are_names(spelling: str) -> None:
    assert value_of(spelling) == tree.Reference(tuple(spelling.split(".")), value_of("x").span)


def test_a_text_knows_its_inserts_and_where_they_stand() -> None:
    text = value_of(r'"a \"{hero}\" {{and}} {house.who}\n\\"')
    assert isinstance(text, tree.Text)
    parts = [part if isinstance(part, str) else part.reference.parts for part in text.parts]
    assert parts == ['a "', ("hero",), '" {and} ', ("house", "who"), "\n\\"]
    assert [part.span.text for part in text.parts if isinstance(part, tree.Insert)] == [
        "{hero}",
        "{house.who}",
    ]


def test_modifiers_nest_to_the_left_and_combine() -> None:
    value = value_of("neon * w during 0%..cut in rect(0%, 1)")
    assert isinstance(value, tree.Region)
    assert isinstance(value.expert, tree.Window)
    assert isinstance(value.expert.expert, tree.Strength)
    assert value.span.text == "neon * w during 0%..cut in rect(0%, 1)"
    assert value.expert.span.text == "neon * w during 0%..cut"
    assert value.expert.end.span.text == "cut"


@pytest.mark.parametrize("spelling", ["12..30", "12 .. 30", "12.. 30", "a..30", "0.5..b", "-3..3"])
def test_ranges(spelling: str) -> None:
    value = value_of(spelling)
    assert isinstance(value, tree.Range)
    assert value.low.span.text == spelling.replace(" ", "").split("..")[0]
    assert value.high.span.text == spelling.replace(" ", "").split("..")[1]


def test_words_of_the_language_are_keys_where_keys_stand() -> None:
    _, found = read(
        "mosaic 1\nplan p { policy { use: a, in: b } let x = f(as: 1, plan: 2, let: 3, mosaic: 4) }"
    )
    assert not found


def test_negative_and_odd_numbers_are_left_to_the_checker() -> None:
    _, found = read(plan("let x = f(a * -0.5, steps: 0, n: -3, size: 0x7, t: -5%)"))
    assert not found


# Five mistakes, five messages

FIVE = """\
mosaic 1

plan alley {
  let base checkpoint("zoo/base")
  let neon = lora('zoo/neon')
  let look = fuse(base, 0.8 * neon
  let image = sample(look, steps = 20, size: 64X64)
  emit image "alley.png"
}
"""


def test_five_mistakes_are_reported_in_one_run() -> None:
    file, found = read(FIVE)
    assert places(found) == [
        ("M140", 4),
        ("M112", 5),
        ("M150", 6),
        ("M131", 6),
        ("M136", 7),
        ("M119", 7),
        ("M135", 8),
    ]
    (block,) = file.items
    assert isinstance(block, tree.Plan)
    # Everything that could be read is there, so that names do not become unknown in the wake of a mistake.
    assert [type(statement) for statement in block.body] == [tree.Let] * 4 + [tree.Emit]


def test_fixes_mend_what_they_say() -> None:
    _, found = read(FIVE)
    mended = apply_fixes(FIVE, [fix for d in found for fix in d.fixes()[:1]])
    again, left = read(mended)
    assert left == []
    assert "fuse(base, neon * 0.8)" in format_file(again)
    assert "sample(look, steps: 20, size: 64x64)" in format_file(again)


# One mistake, one message

CASES = [
    ("", ["M101"]),
    ("# a comment", ["M101"]),
    ("plan a {}", ["M101"]),
    ("mosaic 2\nplan a {}", ["M102"]),
    ("mosaic\nplan a {}", ["M102"]),
    ("mosaic one\nplan a {}", ["M102"]),
    ("mosaic 1.0", ["M102"]),
    (plan("let x = a + b"), ["M110"]),
    (plan("let x := 3"), ["M110"]),
    (plan('let x = f("abc, 3)', "let y = 2"), ["M111"]),
    (plan('emit x as "a.png'), ["M111"]),
    (plan("let x = “abc”"), ["M112"]),
    (plan("// why", "let x = 1"), ["M113"]),
    (plan("let x = 1;", "let y = 2"), ["M114"]),
    (plan("let\u00a0x = 1"), ["M115"]),
    (plan("let größe = 64x64"), ["M116"]),
    (plan(r'let x = "a\d"'), ["M117"]),
    (plan('let x = "a {b c}"'), ["M118"]),
    (plan('let x = "a {"'), ["M118"]),
    (plan("let x = 2sec"), ["M119"]),
    (plan("let x = 9007199254740992"), ["M120"]),
    (plan("let x = 1e400"), ["M120"]),
    (plan("let x = 9999999TiB"), ["M120"]),
    (plan(f"let x = 0.{'1' * 30}"), ["M120"]),
    (plan("let x = f(.8, 5.)"), ["M121", "M121"]),
    ("mosaic 1\nplan a ( let x = 1 )\nplan b {}", ["M130"]),
    (plan("let x = f(a, [b", "let y = 2"), ["M131"]),
    ("mosaic 1\nplan a {\n  let x = 1\nplan b {}", ["M131"]),
    ("mosaic 1\nplan a {\n  let x = f(1", ["M131"]),
    (plan("let x = f(a))", "let y = 2"), ["M132"]),
    (plan("let x = f(a]", "let y = 2"), ["M132"]),
    ("mosaic 1\nplan a {}\n}\nplan b {}", ["M132"]),
    (plan("let = 3", "let = 4"), ["M133", "M133"]),
    ("mosaic 1\nplan { let x = 1 }", ["M133"]),
    ("mosaic 1\nuse std.", ["M133"]),
    (plan("let x =", "let y = 2"), ["M134"]),
    (plan("let x = f(a, steps: , seed: 3)"), ["M134"]),
    (plan("let x = f(a,, b)"), ["M134"]),
    (plan("let x = neon in", "let y = 2"), ["M134"]),
    (plan("emit x", "let y = 2"), ["M135"]),
    (plan('emit f(x) "a.png"'), ["M135"]),
    (plan("let x = f(a, b, c = 1)"), ["M136"]),
    (plan("let x : 1"), ["M137"]),
    (plan("let x = f(a * 0.5 b)"), ["M138"]),
    (plan("let x = f(neon during 0%..1 b in left c)"), ["M138", "M138"]),
    (plan("let x = [1 2]"), ["M138"]),
    (plan("let x = f(a, steps 20)"), ["M139"]),
    (plan("policy { use commercial }"), ["M139"]),
    (plan("let x 1"), ["M140"]),
    (plan("x = 3"), ["M141"]),
    ("mosaic 1\nparam a = 3\nparam b", ["M142", "M142"]),
    ("mosaic 1\ndefine f(a: int) { return a }", ["M143"]),
    (plan("let plan = 3"), ["M144"]),
    (plan("let x = f(let, in)"), ["M144", "M144"]),
    ("mosaic 1\ndefine f(as: int) -> int {}", ["M144"]),
    (plan("for i in 1..8 {", "let x = i", "}", "let y = x"), ["M145"]),
    (plan("let a = b", "if hq { let s = 50 } else { let s = 20 }", "let y = s"), ["M145", "M145"]),
    ('mosaic 1\nlet x = 1\nemit x as "a"\nplan b {}', ["M146"]),
    (plan("param a: int = 3", "let x = a"), ["M147"]),
    (plan("define f() -> int { return 1 }", "let x = f()"), ["M147"]),
    (plan("lat x = 1"), ["M148"]),
    ("mosaic 1\nplann a { let x = 1 }", ["M148"]),
    (plan("fuse(a, b)", "let x = 1"), ["M149"]),
    (plan("let x = fuse(b, 0.8 * neon, 2 * f(a))"), ["M150", "M150"]),
    (plan("let x = fuse(base, (neon * 0.8))"), ["M151"]),
    ('mosaic 1\nplan "alley" { let x = 1 }', ["M152"]),
    (plan("let x = neon during 50%", "let y = 2"), ["M153"]),
]


@pytest.mark.parametrize(("text", "codes"), CASES)
def test_one_message_a_mistake(text: str, codes: list[str]) -> None:
    _, found = read(text)
    assert [d.code for d in found] == codes, [d.message() for d in found]
    assert render_text(found)


@pytest.mark.parametrize("text", [text for text, _ in CASES])
def test_safe_fixes_leave_no_mistake_of_their_kind(text: str) -> None:
    _, found = read(text)
    fixes = [fix for d in found for fix in d.fixes()[:1] if fix.safe]
    if not fixes:
        return
    _, left = read(apply_fixes(text, fixes))
    assert len(left) == len(found) - len(fixes), [d.message() for d in left]


def test_a_damaged_statement_leaves_a_hole_and_keeps_its_name() -> None:
    file, _ = read(plan("let x = ) 3", "let y = f(x, k: , m: 2)", "emit y as"))
    (block,) = file.items
    assert isinstance(block, tree.Plan)
    first, second = block.body
    assert isinstance(first, tree.Let)
    assert first.name.text == "x"
    assert isinstance(second, tree.Let)
    assert isinstance(second.value, tree.Call)
    assert [type(a.value) for a in second.value.arguments] == [tree.Reference, tree.Hole, tree.Literal]


def test_the_variable_of_a_loop_is_known_in_its_body() -> None:
    file, _ = read(plan("for i in 1..8 {", "let x = i", "}", "let y = x"))
    (block,) = file.items
    assert isinstance(block, tree.Plan)
    assert [s.name.text for s in block.body if isinstance(s, tree.Let)] == ["i", "x", "y"]


def test_items_inside_of_a_plan_are_still_read() -> None:
    file, _ = read(plan("param a: int = 3", "let x = a"))
    assert [type(item) for item in file.items] == [tree.Plan, tree.Parameter]


def test_what_looks_like_text_of_the_language_in_a_comment_is_none() -> None:
    file, found = read("mosaic 1 # plan a {\n#let\nplan b {} # }")
    assert not found
    assert [c.own_line for c in file.comments] == [False, True, False]
    assert [c.text for c in file.comments] == ["# plan a {", "#let", "# }"]


# Limits


@pytest.mark.parametrize("depth", [64, 66, 70, 5000])
@pytest.mark.parametrize(("opening", "closing"), [("f(", ")"), ("[", "]"), ("[f(k: ", ")]")])
def test_nesting_is_limited(depth: int, opening: str, closing: str) -> None:
    levels = depth // len(closing)
    _, found = read(plan(f"let x = {opening * levels}1{closing * levels}", "let y = f(1 2)"))
    assert [d.code for d in found] == (["M105"] if depth > MAX_DEPTH else []) + ["M138"]


def test_chains_are_limited() -> None:
    for links, codes in ((64, []), (65, ["M105"]), (20000, ["M105"])):
        assert [d.code for d in read(plan("let x = a" + " * 1" * links))[1]] == codes


def test_brackets_and_chains_count_together() -> None:
    text = "a"
    for _ in range(40):
        text = f"f({text} * 1)"
    assert [d.code for d in read(plan(f"let x = {text}"))[1]] == ["M105"]


def test_reading_stops_after_fifty_mistakes() -> None:
    _, found = read(plan(*["let = 1"] * 1000))
    assert [d.code for d in found] == ["M133"] * MAX_MISTAKES + ["M106"]


def test_a_huge_file_is_refused() -> None:
    sink = Sink()
    assert decode("huge.mosaic", b" " * (MAX_SIZE + 1), sink) is None
    assert [d.code for d in sink] == ["M104"]
    file, found = read(" " * (MAX_SIZE + 1))
    assert [d.code for d in found] == ["M104"]
    assert file.items == ()
    assert "huge.mosaic" in render_text(list(sink))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"mosaic 1\n\0", "byte 9 is zero"),
        ("mosaic 1".encode("utf-16"), "UTF-16"),
        (b"mosaic 1 # \xff", "byte 11"),
        (b"\x89PNG\r\n\x1a\n", "byte 0"),
    ],
)
def test_what_is_no_text_is_refused(data: bytes, why: str) -> None:
    sink = Sink()
    assert decode("odd.mosaic", data, sink) is None
    (found,) = sink
    assert found.code == "M103"
    assert why in found.message()


def test_a_byte_order_mark_is_dropped() -> None:
    source = decode("bom.mosaic", b"\xef\xbb\xbfmosaic 1\r\nplan a {}\r\n", Sink())
    assert source is not None
    assert not read(source.text)[1]


# Robustness

WORDS = (
    "mosaic 1 use param define plan let emit return budget policy as in during x y.z ( ) [ ] { } : , = * .. . -> "
    '12 0.5 2s 9q 64x64 "text" "{x}" "open \' “ ; # // /* @ + \n \t \u00a0 ö if for'
)
SOUP = st.lists(st.sampled_from(re.split(" ", WORDS)), max_size=60).map(" ".join)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | SOUP | SOUP.map(lambda soup: f"mosaic 1\nplan p {{ {soup}"))
@example("mosaic 1\nplan p { let x = f( { } ) ] ) let")
@example("mosaic 1 define ( ( { plan x { ) }")
def test_no_text_makes_the_parser_fall_over(text: str) -> None:
    file, found = read(text)
    assert render_text(found, color=True) if found else format_file(file)
    for diagnostic in found:
        for fix in diagnostic.fixes():
            apply_fixes(text, [fix])


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fall_over(data: bytes) -> None:
    sink = Sink()
    source = decode("x", data, sink)
    assert (source is None) == bool(list(sink))
    if source is not None:
        parse(source, sink)


@pytest.mark.parametrize(
    "unit",
    [
        "let a = f(b, c: 1)\n",
        "{ ",
        "( ",
        "[ ",
        '"open\n',
        "let x = \n",
        "} ",
        "@ ",
        "a.",
        '"',
        "x ",
        "emit ",
        "1..",
        "/*",
    ],
)
def test_reading_takes_linear_time(unit: str) -> None:
    """Eight times the text takes about eight times as long, not sixty-four: counted in steps, not in seconds."""
    small, large = (_steps(f"mosaic 1\nplan p {{\n{unit * n}") for n in (100, 800))
    assert large < 16 * small + 20000


def _steps(text: str) -> int:
    """How many function calls reading takes."""
    import sys

    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        read(text)
    finally:
        sys.setprofile(None)
    return calls
