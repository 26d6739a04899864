"""Prompt lengths, against the library that the engine uses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.catalog.tokenizer import Tokenizer, count

transformers = pytest.importorskip("transformers")


def _vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Every byte, with and without the end-of-word mark, and some merges that overlap."""
    from mosaic.catalog.tokenizer import _byte_symbols

    symbols = list(_byte_symbols().values())
    merges = [
        ("c", "a"),
        ("a", "t</w>"),
        ("ca", "t</w>"),
        ("r", "e"),
        ("re", "d</w>"),
        ("n", "i"),
        ("g", "h"),
    ]
    merges += [
        ("ni", "gh"),
        ("nigh", "t</w>"),
        ("a", "a"),
        ("aa", "aa"),
        ("Ã", "©</w>"),
        ("1", "2</w>"),
        (",", ",</w>"),
    ]
    words = [*symbols, *(f"{s}</w>" for s in symbols), *("".join(m) for m in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    return {word: number for number, word in enumerate(dict.fromkeys(words))}, merges


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer as the library saves it, and as older ones did."""
    vocabulary, merges = _vocabulary()
    path = tmp_path_factory.mktemp("tokenizer")
    transformers.CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=20).save_pretrained(path)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (path / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def library(folder: Path) -> Any:
    return transformers.CLIPTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def ours(folder: Path) -> Tokenizer:
    return Tokenizer.from_json((folder / "tokenizer.json").read_text(encoding="utf-8"))


def length(library: Any, text: str) -> int:
    return len(library(text, add_special_tokens=False)["input_ids"])


TEXTS = [
    "",
    "   ",
    "a red cat at night",
    "A RED  CAT,, at\tnight\n",
    "it's the cat's, they'll don't",
    "aaaaaaaaa 12 123 1st",
    "café cafe\u0301 ÉCOLE",
    "\u4e2d\u6587 \U0001f408 \u00bd \u2167",
    "<|startoftext|>cat<|endoftext|>",
    "a\u00a0cat\u2003night\u200bx",
    "'s 's's ' 't'",
    "Σίσυφος ΣΑΣ",
    "(red:1.3), [night] <cat>",
]


@pytest.mark.parametrize("text", TEXTS)
def test_lengths_that_are_met(library: Any, ours: Tokenizer, text: str) -> None:
    assert count(ours, text, 1000)[0] == length(library, text)


@pytest.mark.parametrize("text", TEXTS[1:8])
def test_both_forms_of_the_files(folder: Path, ours: Tokenizer, text: str) -> None:
    older = Tokenizer.from_merges((folder / "merges.txt").read_text(encoding="utf-8"))
    assert older.pieces(text) == ours.pieces(text)


# Code points assigned long ago: the library and Python know different versions of Unicode.
ALPHABET = st.sampled_from(
    [
        *"abcdeghinrt12,.'<>|()é ÉΣσİ\u0301\u00a0\u2003\n\t½Ⅷ中",
        "cat",
        "red",
        "night",
        " ",
        "'ll",
        "\U0001f408",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(ALPHABET, max_size=25).map("".join))
def test_any_text(library: Any, ours: Tokenizer, text: str) -> None:
    assert count(ours, text, 1000)[0] == length(library, text)


@settings(max_examples=100, deadline=None)
@given(st.lists(ALPHABET, max_size=25).map("".join), st.integers(0, 10))
def test_what_is_kept_fits(ours: Tokenizer, text: str, limit: int) -> None:
    used, kept = count(ours, text, limit)
    assert 0 <= kept <= len(text)
    assert (kept == len(text)) if used <= limit else count(ours, text[:kept], limit)[0] <= limit


def test_what_is_kept_ends_with_a_word(ours: Tokenizer) -> None:
    used, kept = count(ours, "red cat night red", 2)
    assert (used, "red cat night red"[:kept]) == (4, "red cat")


def test_words_that_embeddings_add(ours: Tokenizer) -> None:
    added = {"<hero>": 3, "<hero>s": 5}
    assert count(ours, "red <hero> cat", 1000, added)[0] == 5
    assert count(ours, "red <HERO> cat", 1000, added)[0] == 5
    assert count(ours, "<hero>s<hero>", 1000, added)[0] == 8
    assert count(ours, "red <hero>", 3, added) == (4, 3)


def test_a_word_of_a_hundred_thousand_characters_takes_no_quadratic_time(ours: Tokenizer) -> None:
    assert count(ours, "a" * 100_000, 75)[0] == 25_002


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"model": {"end_of_word_suffix": "</w>"}}', json.dumps({"model": {"type": "Unigram"}})],
)
def test_other_vocabularies_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Tokenizer.from_json(text)
