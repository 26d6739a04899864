"""Good plans, damaged: the parser and the grammar for decoders agree on what is left of them."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.syntax.test_grammar import LANGUAGE, complaints, decoder, without_comments

ROOT = Path(__file__).parent.parent.parent
FOLDERS = (
    "examples",
    "stdlib/fragments",
    "src/mosaic/templates",
    "src/mosaic/agent/prompts",
    "tests/cases",
    "tests/data",
)
WORDS = """
mosaic use param define plan let emit return budget policy as in during true false -> .. . , : = * ( ) [ ] { } 1 0 30%
2s 500ms 2GiB 0.92GiB -1MiB 64x64 0.8 1e5 1E+05 -0 -0.0 12..30 00 007 1.50 1.0e3 0.5min 1TiB "t" "{x}" "{{" "\\n" "\\\\"
# x a.b é ; ' //
"""
PIECES: Sequence[bytes] = [
    *(word.encode() for word in WORDS.split()),
    *(b" ", b"\n", b"\n\n", b"  ", b"\t", b"\r\n", b"\\", b"# c\n"),
    *("\u2028".encode(), "\x85".encode(), "\ufeff".encode()),
]
UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")
"""Any character may stand in a text; a decoder writes none that nobody sees, and that could steer a terminal."""


@cache
def corpus() -> Sequence[str]:
    """All good plans of the repository in canonical form, without comments."""
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.mosaic"))]
    texts = [LANGUAGE, *(path.read_text(encoding="utf-8", errors="replace") for path in files)]
    return list(dict.fromkeys(without_comments(text) for text in texts if not complaints(text)))


def damaged(text: str, chance: random.Random) -> str:
    data = bytearray(text.encode())
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        _damage(data, chance)
    return data.decode("utf-8", "replace")


def _damage(data: bytearray, chance: random.Random) -> None:
    """Change a little of a text, in place."""
    at = chance.randrange(len(data) + 1)
    match chance.choice(["flip", "drop", "insert", "other", "repeat", "swap lines", "double line"]):
        case "flip":
            data[at : at + 1] = bytes(byte ^ 1 << chance.randrange(8) for byte in data[at : at + 1])
        case "drop":
            del data[at : at + chance.choice([1, 1, 2, 5, 20])]
        case "insert":
            data[at:at] = chance.choice(PIECES)
        case "other":
            data[at : at + 1] = bytes([chance.randrange(32, 127)])
        case "repeat":
            start = chance.randrange(len(data) + 1)
            data[at:at] = data[start : start + chance.randrange(1, 8)]
        case "swap lines":
            lines = bytes(data).split(b"\n")
            one, two = chance.randrange(len(lines)), chance.randrange(len(lines))
            lines[one], lines[two] = lines[two], lines[one]
            data[:] = b"\n".join(lines)
        case _:
            lines = bytes(data).split(b"\n")
            one = chance.randrange(len(lines))
            data[:] = b"\n".join([*lines[:one], lines[one], *lines[one:]])


def agree(text: str) -> tuple[bool, bool]:
    """Hold the two readers to each other; whether the parser and whether the decoder takes a text."""
    is_read, is_written = not complaints(text), decoder("llm").accepts(text)
    if is_written:
        assert is_read, text
        assert not UNSEEN.search(text)
    if is_read:
        form = without_comments(text)
        assert not complaints(form), text
        assert without_comments(form) == form, text
        assert decoder("llm").accepts(form) == (not UNSEEN.search(form)), form
    return is_read, is_written


def test_both_take_every_good_plan() -> None:
    assert len(corpus()) > 100
    assert {agree(text) for text in corpus()} == {(True, True)}


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        ("-0..3", "0..3"),
        ("a * -0%", "a * 0%"),
        ("-0.0", "0.0"),
        ("1.0e5", "1e5"),
        ("2.0s", "2s"),
        ("0.92GiB", "0.92GiB"),
        ("-1MiB", "-1MiB"),
        ('"a\x9b"', '"a\x9b"'),
    ],
)
def test_what_they_once_disagreed_on(value: str, canonical: str) -> None:
    text, form = (f"mosaic 1\n\nplan p {{\n  let x = {each}\n}}\n" for each in (value, canonical))
    assert without_comments(text) == form
    assert agree(text) == (True, value == canonical and not UNSEEN.search(value))
    assert agree(form)[0]


def test_they_agree_on_damaged_plans() -> None:
    _agree_on(1500, 1)


@pytest.mark.slow
def test_they_agree_on_many_damaged_plans() -> None:
    _agree_on(8_000, 2)


def _agree_on(count: int, seed: int) -> None:
    chance = random.Random(seed)
    found = [agree(damaged(chance.choice(corpus()), chance)) for _ in range(count)]
    # Enough of each kind that the comparison says something.
    for kind in ((False, False), (True, True), (True, False)):
        assert found.count(kind) > count / 25, kind


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(corpus()), st.lists(st.tuples(st.floats(0, 1), st.sampled_from(PIECES)), max_size=4))
def test_they_agree_wherever_a_piece_is_put_in(text: str, pieces: list[tuple[float, bytes]]) -> None:
    data = bytearray(text.encode())
    for where, piece in pieces:
        at = int(where * len(data))
        data[at:at] = piece
    agree(data.decode("utf-8", "replace"))
