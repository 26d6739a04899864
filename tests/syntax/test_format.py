"""The formatter on random trees and on texts with comments everywhere."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.compiler.diagnostic import Sink
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.syntax import literals, tree
from mosaic.compiler.syntax.build import RESERVED
from mosaic.compiler.syntax.format import WIDTH, format_file
from mosaic.compiler.syntax.parse import parse

NOWHERE = SourceFile("made.mosaic", "")
HERE = Span(NOWHERE, 0, 0)

# Random trees

words = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
names = words.filter(lambda word: word not in RESERVED)
keys = st.builds(tree.Name, words | st.sampled_from(sorted(RESERVED)), st.just(HERE))
bound = st.builds(tree.Name, names, st.just(HERE))
references = st.builds(tree.Reference, st.lists(names, min_size=1, max_size=3).map(tuple), st.just(HERE))


def _literal(spelling: str) -> tree.Literal:
    number = literals.read_number(spelling)
    assert isinstance(number, literals.Number), spelling
    return tree.Literal(number.kind, number.value, number.text, HERE)


numbers = st.one_of(
    st.integers(-literals.LARGEST, literals.LARGEST).map(str),
    st.integers(0, 9999).map(lambda n: f"{n}x{n + 1}"),
    st.tuples(
        st.sampled_from(["", "-"]),
        st.integers(0, 10**6),
        st.sampled_from(["", ".0", ".5", ".250", ".000123"]),
        st.sampled_from(["", "e3", "E-07", "e+10"]),
        st.sampled_from(["", "s", "ms", "min", "%", "KiB", "MiB", "GiB"]),
    )
    .map(lambda parts: "".join(map(str, parts)))
    .filter(lambda text: isinstance(literals.read_number(text), literals.Number)),
).map(_literal)
flags = st.sampled_from(
    [tree.Literal(tree.Kind.FLAG, True, "true", HERE), tree.Literal(tree.Kind.FLAG, False, "false", HERE)]
)
characters = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\r"), min_size=1, max_size=20
)
inserts = st.builds(tree.Insert, references, st.just(HERE))


def _text(parts: list[str | tree.Insert]) -> tree.Text:
    joined: list[str | tree.Insert] = []
    for part in parts:
        if joined and isinstance(part, str) and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return tree.Text(tuple(joined), HERE)


texts = st.lists(characters | inserts, max_size=4).map(_text)
leaves = st.one_of(references, numbers, flags, texts)


def _operands(operands: st.SearchStrategy[tree.Expression]) -> st.SearchStrategy[tree.Expression]:
    """Calls and lists over what is given; their arguments may be ranges and modified experts."""
    whole = _expressions(operands)
    arguments = st.builds(tree.Argument, st.none() | keys, whole, st.just(HERE))
    calls = st.builds(tree.Call, references, st.lists(arguments, max_size=5).map(tuple), st.just(HERE))
    lists = st.builds(tree.List, st.lists(whole, max_size=4).map(tuple), st.just(HERE))
    return calls | lists


def _expressions(operands: st.SearchStrategy[tree.Expression]) -> st.SearchStrategy[tree.Expression]:
    ranges = st.builds(tree.Range, operands, operands, st.just(HERE))
    modifiers = st.lists(
        st.one_of(
            (operands | ranges).map(lambda strength: lambda e: tree.Strength(e, strength, HERE)),
            operands.map(lambda region: lambda e: tree.Region(e, region, HERE)),
            st.tuples(operands, operands).map(lambda ends: lambda e: tree.Window(e, *ends, HERE)),
        ),
        max_size=3,
    )
    # A literal before `*` is the mistake "strength first", so modified values are experts.
    experts = operands.filter(lambda e: not isinstance(e, tree.Literal))
    return ranges | operands | st.tuples(experts, modifiers).map(_modified)


def _modified(pair: tuple[tree.Expression, list]) -> tree.Expression:
    value, modifiers = pair
    for modify in modifiers:
        value = modify(value)
    return value


expressions = _expressions(st.recursive(leaves, _operands, max_leaves=6))
entries = st.lists(st.builds(tree.Entry, keys, expressions, st.just(HERE)), max_size=3).map(tuple)
budgets = st.builds(tree.Budget, entries, st.just(HERE))
policies = st.builds(tree.Policy, entries, st.just(HERE))
statements = st.one_of(
    st.builds(tree.Let, bound, expressions, st.just(HERE)),
    st.builds(tree.Emit, expressions, texts, st.just(HERE)),
    st.builds(tree.Return, expressions, st.just(HERE)),
    budgets,
    policies,
)
bodies = st.lists(statements, max_size=5).map(tuple)
parameters = st.builds(tree.Parameter, bound, bound, st.none() | expressions, st.just(HERE))
items = st.one_of(
    st.builds(tree.Use, references | texts, st.none() | bound, st.just(HERE)),
    parameters,
    st.builds(tree.Define, bound, st.lists(parameters, max_size=4).map(tuple), bound, bodies, st.just(HERE)),
    st.builds(tree.Plan, bound, bodies, st.just(HERE)),
    budgets,
    policies,
)
files = st.builds(tree.File, st.just(NOWHERE), st.just(1), st.lists(items, max_size=4).map(tuple))


def read(text: str) -> tree.File:
    sink = Sink()
    file = parse(SourceFile("made.mosaic", text), sink)
    assert not list(sink), [(d.code, d.message(), d.span and d.span.text) for d in sink]
    return file


@settings(max_examples=60, deadline=None)
@given(files)
def test_formatting_keeps_the_meaning(file: tree.File) -> None:
    text = format_file(file)
    again = read(text)
    assert again == file
    assert format_file(again) == text


# Comments

SPACED = re.compile(r'"(?:[^"\\]|\\.)*"|#[^\n]*|\s+|\.\.|[A-Za-z0-9_.%]+|.')


@settings(max_examples=60, deadline=None)
@given(files, st.data())
def test_comments_are_kept_in_any_place(file: tree.File, data: st.DataObject) -> None:
    pieces = SPACED.findall(format_file(file))
    places = [k for k, piece in enumerate(pieces) if piece.isspace()]
    chosen = data.draw(st.lists(st.sampled_from(places), unique=True, max_size=6))
    comments = []
    for number, place in enumerate(sorted(chosen)):
        comments.append(f"# note {number}")
        glue = data.draw(st.sampled_from([" ", "\n", "\n\n"]))
        pieces[place] = f"{glue}{comments[-1]}\n{data.draw(st.sampled_from(['', chr(10)]))}"
    commented = read("".join(pieces))
    assert commented == file
    text = format_file(commented)
    assert sorted(re.findall(r"# note \d+", text)) == sorted(comments)
    again = read(text)
    assert again == file
    assert format_file(again) == text


# Examples

LONG = 'let image = sample(look, prompt: "{hero} {who}, night sky", steps: 20, guidance: 5, size: 64x64, seed: seed)'


def plan(*lines: str) -> str:
    return "".join(["mosaic 1\n\nplan p {\n", *(f"  {line}".rstrip() + "\n" for line in lines), "}\n"])


@pytest.mark.parametrize(
    ("loose", "canonical"),
    [
        ("mosaic   1", "mosaic 1\n"),
        ("# a\n\nmosaic 1 # b", "# a\n\nmosaic 1  # b\n"),
        ("mosaic 1 use a use b param c:int=007 plan d{}plan e{}",
         "mosaic 1\n\nuse a\nuse b\n\nparam c: int = 7\n\nplan d {}\n\nplan e {}\n"),
        (plan("let a=f( b ,c:1.50 , )let bcd=2.0s"), plan("let a   = f(b, c: 1.5)", "let bcd = 2s")),
        (plan("let a = 1", "", "", "", "let bcd = 2"), plan("let a = 1", "", "let bcd = 2")),
        (plan("let a = x*0.80 in left during 0%..50.0%"), plan("let a = x * 0.8 in left during 0%..50%")),
        (plan("budget{latency:2s,memory:2GiB}policy{}"), plan("budget { latency: 2s, memory: 2GiB }", "policy {}")),
        (plan("let a = f(b, # why", "c)  # end"), plan("let a = f(", "  b,  # why", "  c,", ")  # end")),
        (plan("let a = # why", "b"), plan("# why", "let a = b")),
        (plan("emit a as \"x.png\" # out", "# last"), plan("emit a as \"x.png\"  # out", "# last")),
        ("mosaic 1 define f(a:model,b:number=0.5)->model{return a}",
         "mosaic 1\n\ndefine f(a: model, b: number = 0.5) -> model {\n  return a\n}\n"),
    ],
)  # fmt: skip
def test_canonical_form(loose: str, canonical: str) -> None:
    assert format_file(read(loose)) == canonical


def test_a_line_may_be_as_wide_as_the_language_page_shows() -> None:
    assert len(f"  {LONG}") == WIDTH
    assert format_file(read(plan(LONG))) == plan(LONG)


def test_a_wider_call_is_broken_one_argument_a_line() -> None:
    wide = LONG.replace("night sky", "night skies")
    expected = plan(
        "let image = sample(",
        "  look,",
        '  prompt: "{hero} {who}, night skies",',
        "  steps: 20,",
        "  guidance: 5,",
        "  size: 64x64,",
        "  seed: seed,",
        ")",
    )
    assert format_file(read(plan(wide))) == expected


def test_a_hole_has_no_form() -> None:
    file = parse(SourceFile("x.mosaic", plan("let a = ")), Sink())
    with pytest.raises(ValueError, match="syntax errors"):
        format_file(file)
