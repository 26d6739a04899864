"""Texts drawn at random under the grammar's masks: whatever a decoder lets through, the parser reads."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from lark import Lark, Token
from lark import Tree as LarkTree
from tests.syntax.test_grammar import EXAMPLES, LANGUAGE, complaints, without_comments

from mosaic.compiler.diagnostic import Sink
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax.export import export
from mosaic.compiler.syntax.parse import parse
from mosaic.grammar import grammar_text

llguidance = pytest.importorskip("llguidance")

NAMES = {
    "checkpoint": ["zoo/base", "zoo/other"],
    "lora": [
        "zoo/neon",
        'odd "name" {x}\\',
        "münchen/näh",
        "日本/猫",
        *(f"maker/style-{n}" for n in range(200)),
    ],
    "embedding": ["zoo/samurai"],
    "vae": [],
}
SOON = 160
"""Bytes after which signs that close something are preferred, ever more."""


class Words:
    """The tokens of a vocabulary that stand for bytes."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.bytes: dict[int, bytes] = {
            id: tokenizer.decode_bytes([id])
            for id in range(tokenizer.vocab_size)
            if not tokenizer.is_special_token(id) and id not in tokenizer.eos_tokens
        }
        found = [_kind(self.bytes[id]) if id in self.bytes else "" for id in range(tokenizer.vocab_size)]
        self.kinds = sorted({*found})
        self.kind = np.array([self.kinds.index(each) for each in found])  # of each token; the first is none


@cache
def words(vocabulary: str) -> Words:
    if vocabulary == "bytes":
        return Words(llguidance.LLTokenizer("byte"))
    return Words(llguidance.LLTokenizer(_pairs(), eos_token=0))


def _pairs() -> str:
    """Byte pairs of plans and of noise: tokens that end in the middle of words, signs and characters."""
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=4000,
        special_tokens=["<|end|>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=12,
        show_progress=False,
    )
    chance = random.Random(11)
    lines = [line for text in EXAMPLES for line in text.splitlines()]
    noise = [
        "".join(chance.choice('(){}[]":,.= \nabé日') for _ in range(chance.randrange(2, 9)))
        for _ in range(4000)
    ]
    made.train_from_iterator([*lines, *noise], trainer)
    return str(made.to_str())


class Sampler:
    """Draws texts under a grammar."""

    def __init__(self, grammar: str, vocabulary: Words) -> None:
        self.vocabulary = vocabulary
        held = llguidance.LLMatcher.grammar_from_lark(grammar)
        self.matcher = llguidance.LLMatcher(vocabulary.tokenizer, held)
        assert not self.matcher.is_error(), self.matcher.get_error()

    def draw(self, chance: random.Random, limit: int = 2000) -> str | None:
        """A text; None where no end came within so many bytes. The longer it is, the likelier are signs that close."""
        self.matcher.reset()
        written = bytearray()
        while len(written) < limit:
            hurry = len(written) / SOON
            if self.matcher.is_accepting() and chance.random() < max(0.05, hurry - 0.5):
                return written.decode()
            token = self._token(chance, hurry)
            assert self.matcher.consume_token(token)
            written += self.vocabulary.bytes[token]
        return None

    def _token(self, chance: random.Random, hurry: float) -> int:
        allowed = np.flatnonzero(np.frombuffer(self.matcher.compute_logit_bias(), dtype=np.uint8))
        kinds = self.vocabulary.kind[allowed]
        there = [int(kind) for kind in np.unique(kinds) if kind]
        wanted = chance.choice(there)
        for closing in ("end", '"'):
            number = self.vocabulary.kinds.index(closing)
            if number in there and chance.random() < hurry - 1:
                wanted = number
        return int(chance.choice(allowed[kinds == wanted]))


def _kind(data: bytes) -> str:
    """What a token begins with; all kinds are drawn alike, so that a sign is as likely as all letters."""
    char = chr(data[0])
    if char in ")]}\n":
        return "end"
    if char.isascii() and char.isalpha():
        return char if char in "bdilpu" else "letter"  # begins of keywords
    return "digit" if char.isdigit() else "high" if data[0] > 127 else char


def drawn(vocabulary: str, count: int, seed: int, names: bool) -> list[str]:
    """So many texts, and not many more that came to no end."""
    sampler = Sampler(export("llm", NAMES if names else None), words(vocabulary))
    chance = random.Random(seed)
    texts = [sampler.draw(chance) for _ in range(count + count // 5)]
    found = [text for text in texts if text is not None]
    assert len(found) >= count, f"{len(texts) - len(found)} of {len(texts)} came to no end"
    return found[:count]


# What is held of each


@cache
def whole_lark() -> Lark:
    """The grammar with every rule in the tree."""
    return Lark(
        re.sub(r"^[?](?=\w+:)", "", grammar_text(), flags=re.MULTILINE), parser="lalr", keep_all_tokens=True
    )


def used(text: str) -> set[str]:
    """The rules and terminals of the language by which a text is read."""
    found = set()
    for node in whole_lark().parse(text).iter_subtrees():
        assert isinstance(node, LarkTree)
        found.add(str(node.data))
        found |= {child.type for child in node.children if isinstance(child, Token)}
    return found


def every_part() -> set[str]:
    """All rules and terminals, without comments and white space, which a decoder does not write."""
    rules = {str(rule.origin.name) for rule in whole_lark().rules}
    terminals = {terminal.name for terminal in whole_lark().terminals}
    return {name for name in rules if not name.startswith("__")} | terminals - {"COMMENT", "SPACE"}


def check(texts: Iterable[str], names: bool) -> tuple[Counter[str], int]:
    """Hold each text to what all of them are; how many use each part, and how many are in canonical form."""
    parts: Counter[str] = Counter()
    canonical = 0
    for text in texts:
        assert complaints(text) == [], text
        parts.update(used(text))
        form = without_comments(text)
        assert without_comments(form) == form, text
        assert _plain(form) == _plain(text), text
        canonical += form == text
        if names:
            assert _named(text) <= {(kind, id) for kind, ids in NAMES.items() for id in ids}, text
    return parts, canonical


def _plain(text: str) -> str:
    """A text without white space outside of texts, and without the commas before closing signs."""
    pieces = re.findall(r'"(?:[^"\\]|\\.)*"|\w+|[^\s\w]', text)
    joined = "\n".join(pieces)
    return re.sub(r",\n(?=[)}\]])", "", joined)


def _named(text: str) -> set[tuple[str, str]]:
    file = parse(SourceFile("drawn.mosaic", text), Sink())
    return {found for item in file.items for found in _calls(item)}


def _calls(node: Any) -> Iterable[tuple[str, str]]:
    from mosaic.compiler.syntax import tree

    if isinstance(node, tree.Call) and node.function.text in NAMES:
        (argument,) = node.arguments
        assert isinstance(argument.value, tree.Text)
        yield node.function.text, "".join(str(part) for part in argument.value.parts)
    if isinstance(node, tuple):
        for each in node:
            yield from _calls(each)
    elif type(node).__module__ == tree.__name__:
        for name in node.__dataclass_fields__:
            if name != "span":
                yield from _calls(getattr(node, name))


# The tests


def test_the_parts_of_the_language_are_known() -> None:
    assert used(LANGUAGE) >= {"start", "define", "region", "window", "bounds", "LOW", "_ARROW"}
    assert {"start", "module", "named", "TEXT", "DURING"} <= every_part()


@pytest.mark.parametrize("names", [False, True], ids=["any names", "named"])
@pytest.mark.parametrize("vocabulary", ["bytes", "pairs"])
def test_what_is_drawn_under_the_masks_is_read(vocabulary: str, names: bool) -> None:
    check(drawn(vocabulary, 75, 1, names), names)


@pytest.mark.slow
def test_ten_thousand_texts_are_read_and_reach_every_rule() -> None:
    total: Counter[str] = Counter()
    canonical = 0
    for seed, (vocabulary, names) in enumerate(
        [("bytes", False), ("bytes", True), ("pairs", False), ("pairs", True)]
    ):
        parts, whole = check(drawn(vocabulary, 2500, 100 + seed, names), names)
        total += parts
        canonical += whole
    assert total["start"] == 10_000
    unreached = every_part() - set(total)
    assert not unreached
    assert canonical > 200
    print(f"\nin canonical form: {canonical}; texts by part: {dict(total.most_common())}")


def test_texts_are_of_many_lengths() -> None:
    lengths: Sequence[int] = sorted(len(text) for text in drawn("bytes", 75, 2, False))
    assert lengths[0] < 40 and lengths[-1] > SOON
