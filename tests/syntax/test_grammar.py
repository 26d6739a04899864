"""One grammar, several readers: Lark as it comes, mosaic's parser, and a constrained decoder (llguidance)."""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Lark, LarkError

from mosaic.compiler.diagnostic import Severity, Sink
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax.build import RESERVED
from mosaic.compiler.syntax.export import export
from mosaic.compiler.syntax.format import format_file
from mosaic.compiler.syntax.parse import parse
from mosaic.grammar import grammar_text, mistakes

llguidance = pytest.importorskip("llguidance")

ROOT = Path(__file__).parent.parent.parent
LANGUAGE = """\
mosaic 1

use std.looks
use "./house.mosaic" as house

param who: text = "by the river"
param seed: int = 7
param plain: model

policy { use: commercial }

define glow(base: model, amount: number = 0.5) -> model {
  return fuse(base, house.neon * amount)
}

plan alley {
  budget { latency: 2s, cold_latency: 500ms, memory: 2GiB, quality: 90% }
  policy { use: commercial, rating: general }

  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")
  let left = rect(0%, 0%, 50%, 100%)

  let look  = fuse(base, neon * w during 0%..cut in left, neon * -0.5, via: [sum, ties(density: 0.5)])
  let image = sample(look, prompt: "{hero} {house.who}, \\"night\\" {{sky}}", steps: 12..30, size: 64x64, seed: seed)
  let large = sample(
    look,
    prompt: "a very long prompt that does not fit on the line, so that the call is broken at its commas",
    flag: true,
    steps: a..b,
  )
  emit image as "alley.png"
}

plan empty {}
"""


def _examples() -> list[str]:
    files = [
        *sorted((ROOT / "examples").rglob("*.mosaic")),
        *sorted((ROOT / "stdlib" / "fragments").rglob("*.mosaic")),
    ]
    return [LANGUAGE, *(path.read_text(encoding="utf-8") for path in files)]


EXAMPLES = _examples()


def complaints(text: str) -> list[str]:
    sink = Sink()
    parse(SourceFile("made.mosaic", text), sink)
    return [
        f"{d.code}: {d.message()} {d.span and d.span.text!r}" for d in sink if d.severity is Severity.ERROR
    ]


class Decoder:
    """A constrained decoder over single bytes."""

    def __init__(self, grammar: str) -> None:
        self.tokenizer = llguidance.LLTokenizer("byte")
        # Without this, llguidance takes what is ignored between tokens only, not before the first.
        leading = '%llguidance {"allow_initial_skip": true}\n' if "%ignore" in grammar else ""
        self.grammar = llguidance.LLMatcher.grammar_from_lark(leading + grammar)
        self.matcher = llguidance.LLMatcher(self.tokenizer, self.grammar)

    def accepts(self, text: str) -> bool:
        self.matcher.reset()
        tokens = self.tokenizer.tokenize_str(text)
        return self.matcher.try_consume_tokens(tokens) == len(tokens) and self.matcher.is_accepting()

    def sample(self, chance: random.Random, soon: int = 120, limit: int = 1500) -> str | None:
        """Bytes drawn from the masks, kinds of characters with equal weight; None where no end came in sight."""
        self.matcher.reset()
        written = bytearray()
        while len(written) < limit:
            if self.matcher.is_accepting() and (chance.random() < 0.1 or len(written) > soon):
                return written.decode("utf-8", "replace")
            mask = self.matcher.compute_bitmask()
            allowed = [b for b in range(256) if mask[b // 8] >> b % 8 & 1]
            kinds: dict[str, list[int]] = {}
            for byte in allowed:
                kinds.setdefault(_kind(byte), []).append(byte)
            wanted = "end" if len(written) > soon and "end" in kinds else chance.choice(sorted(kinds))
            byte = chance.choice(kinds[wanted])
            assert self.matcher.consume_token(byte)
            written.append(byte)
        return None


def _kind(byte: int) -> str:
    char = chr(byte)
    if char in ')]}"\n':
        return "end"
    if char.isascii() and char.isalpha():
        return "letter"
    return "digit" if char.isdigit() else "high" if byte > 127 else char


@cache
def decoder(target: str) -> Decoder:
    return Decoder(export(target))  # type: ignore[arg-type]


@cache
def plain_lark() -> Lark:
    return Lark(grammar_text(), parser="lalr")


def lark_accepts(text: str) -> bool:
    try:
        plain_lark().parse(text)
    except LarkError:
        return False
    return True


# The dialect


@pytest.mark.parametrize("target", ["lark", "llm"])
def test_llguidance_takes_the_grammar(target: str) -> None:
    grammar = llguidance.LLMatcher.grammar_from_lark(export(target))  # type: ignore[arg-type]
    assert llguidance.LLMatcher.validate_grammar(grammar, None) == ""


@pytest.mark.parametrize("target", ["lark", "llm"])
def test_the_grammar_stays_in_the_common_dialect(target: str) -> None:
    """llguidance takes lazy quantifiers without a word and ignores their laziness; so this looks itself."""
    code = re.sub(r"^//.*$", "", export(target), flags=re.MULTILINE)  # type: ignore[arg-type]
    patterns = re.findall(r"[ (]/((?:[^/\\]|\\.)+)/", code)
    assert patterns
    for pattern in patterns:
        bare = re.sub(r"\[(?:[^\]\\]|\\.)*\]|\\.", "c", pattern)
        assert not re.search(r"[*+?}]\?", bare), f"lazy quantifier in {pattern}"
        assert "(?" not in bare, f"look-around or flags in {pattern}"
    assert not re.search(r"^[?!]?\w+\.-?\d+ *:", code, re.MULTILINE), "priority"
    assert not re.search(r"^\w+\{", code, re.MULTILINE), "template"
    assert not re.search(r"%(?!ignore)\w+", code.replace("(%|", "")), "directive"


def test_the_decoders_form_ignores_nothing() -> None:
    assert "%ignore" in export("lark")
    assert "%ignore" not in export("llm")


def gbnf_reader(text: str) -> Lark:
    """A reader of GBNF, character by character, without a lexer: as llama.cpp reads it."""
    body = re.sub(r"^#.*$", "", text, flags=re.MULTILINE).replace("root ::=", "start ::=")
    token = re.compile(r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|\{\d+,\d+\}|::=|[a-z-]+|\s+|.')

    def lark(piece: str) -> str:
        if piece[0] == "[":
            return "/" + piece.replace("/", r"\/") + "/"
        if piece[0] == "{":
            return "~" + piece[1:-1].replace(",", "..")
        return piece.replace("::=", ":") if piece[0] in ':"' else piece.replace("-", "_")

    return Lark(
        "".join(lark(piece) for piece in token.findall(body)),
        parser="earley",
        lexer="dynamic",
        ambiguity="resolve",
    )


def test_gbnf_is_the_same_language() -> None:
    reader = gbnf_reader(export("gbnf", {"lora": ["zoo/neon"]}))
    named = Decoder(export("llm", {"lora": ["zoo/neon"]}))
    chance = random.Random(5)
    drawn = [text for _ in range(8) if (text := named.sample(chance, soon=20, limit=60))]
    plan = "mosaic 1\n\nplan a {\n  let x = "
    written = [f"{plan}{value}\n}}\n" for value in (
        'lora("zoo/neon")', 'lora("zoo/neo")', 'lor("x")', "12..30", "1..b", "-0.5s", "2sec", "64x64", "12.", "true",
        'f(a, k: "{b}")', 'f("{b")', "f(\n    a,\n  )", "f(\n    a, b)", "a * 0.5 in b during 0%..c",
        "let", "lets", "[1, a]",
    )]  # fmt: skip
    assert len(drawn) > 2
    for text in [*drawn, *written]:
        assert _earley_accepts(reader, text) == named.accepts(text), text
    assert sum(named.accepts(text) for text in written) == 12


def _earley_accepts(reader: Lark, text: str) -> bool:
    try:
        reader.parse(text)
    except LarkError:
        return False
    return True


# Both readers


def without_comments(text: str) -> str:
    sink = Sink()
    file = parse(SourceFile("made.mosaic", text), sink)
    # The tree without its comments; the spans go with them, so empty lines between statements do too.
    return format_file(type(file)(file.source, file.edition, file.items, (), file.header))


@pytest.mark.parametrize("text", EXAMPLES)
def test_both_readers_take_the_examples(text: str) -> None:
    assert complaints(text) == []
    assert lark_accepts(text)
    assert decoder("lark").accepts(text)
    assert decoder("llm").accepts(without_comments(text))


def test_what_a_decoder_writes_is_read_without_error() -> None:
    chance = random.Random(20)
    drawn = [text for _ in range(300) if (text := decoder("llm").sample(chance))]
    assert len(drawn) > 200
    wrong = {text: found for text in drawn if (found := complaints(text))}
    assert not wrong


def test_what_a_decoder_writes_with_names_holds_only_those_names() -> None:
    named = Decoder(
        export("llm", {"lora": ["zoo/neon", 'odd "name" {x}'], "checkpoint": ["zoo/base"], "vae": []})
    )
    plan = "mosaic 1\n\nplan a {{\n  let b = {}\n}}\n"
    for call in (
        'lora("zoo/neon")',
        r'lora("odd \"name\" {{x}}")',
        'checkpoint("zoo/base")',
        'find(lora, "x")',
        "loras(1)",
    ):
        assert named.accepts(plan.format(call)), call
        assert complaints(plan.format(call)) == []
    for call in (
        'lora("zoo/neo")',
        'lora("zoo/neonx")',
        "lora()",
        'checkpoint("zoo/neon")',
        'vae("zoo/base")',
        "lora(x)",
    ):
        assert not named.accepts(plan.format(call)), call


def test_thousands_of_names_can_be_told_apart() -> None:
    """A reader of names one by one keeps all that may still be meant, and gives up at two thousand."""
    loras = [f"maker-{number % 97}/style-{number}" for number in range(6000)]
    named = Decoder(export("llm", {"lora": loras}))
    plan = "mosaic 1\n\nplan a {{\n  let b = lora({})\n}}\n"
    assert named.accepts(plan.format(f'"{loras[4321]}"'))
    assert not named.accepts(plan.format('"maker-3/style-5"'))
    assert named.matcher.get_error() == ""


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_a_reserved_word_is_no_name_for_any_reader(word: str) -> None:
    for text in (
        f"mosaic 1\nplan {word} {{}}\n",
        f"mosaic 1\nparam {word}: int\n",
        f"mosaic 1\nuse {word}.x\n",
    ):
        assert not decoder("llm").accepts(text), text
        assert complaints(text), text
    for near in (f"{word}s", word[:-1], word.upper(), f"{word}_"):
        text = f"mosaic 1\nplan {near} {{}}\n"
        assert decoder("llm").accepts(text) == (near not in RESERVED), text
        assert bool(complaints(text)) == (near in RESERVED), text


PIECES = re.compile(r'"(?:[^"\\]|\\.)*"|\.\.|->|[A-Za-z_]\w*|-?[0-9][0-9.]*[A-Za-z%]*|\s+|.')


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_readers_agree_on_damaged_texts(data: st.DataObject) -> None:
    pieces = PIECES.findall(data.draw(st.sampled_from(EXAMPLES)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(pieces) - 1))
        match data.draw(st.sampled_from(["drop", "double", "swap", "other"])):
            case "drop":
                del pieces[at]
            case "double":
                pieces.insert(at, pieces[at])
            case "swap":
                other = data.draw(st.integers(0, len(pieces) - 1))
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case _:
                pieces[at] = data.draw(
                    st.sampled_from(["x", "let", "}", "(", "..", "1.5", '"t"', ":", "=", "*", "in"])
                )
    # Two words that meet are one word for mosaic and two keywords for a lexer that knows the context.
    text = "".join(
        f"{a} " if a[-1:].isalnum() and b[:1].isalnum() else a
        for a, b in zip(pieces, [*pieces[1:], ""], strict=True)
    )
    assert lark_accepts(text) == decoder("lark").accepts(text)
    if not complaints(text):
        assert lark_accepts(text)
    if decoder("llm").accepts(text):
        assert complaints(text) == []


# The examples of mistakes


def test_every_example_of_a_mistake_gets_its_message() -> None:
    from mosaic.compiler.errors import syntax as errors
    from mosaic.compiler.syntax import mistakes as explained

    for entry, (_, texts) in zip(mistakes(), explained._examples(), strict=True):
        wanted = getattr(errors, entry["class"])
        for text in texts:
            source = SourceFile("made.mosaic", text.partition("\n")[2])
            sink = Sink()
            parse(source, sink)
            first = next(iter(sink))
            assert isinstance(first, wanted), (source.text, first)
            if not entry.get("exact"):
                assert len(list(sink)) == 1, (source.text, [d.message() for d in sink])
