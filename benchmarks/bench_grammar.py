"""What a grammar with the catalog's names costs a decoder: reading it, and the mask before each token.

The same text is written under grammars with 0, 100, 1,000 and 5,000 names, in single bytes and in a vocabulary of as
many tokens as models have. Figures are processor time of one core; to watch are the ratios to no names at all.
"""

from __future__ import annotations

import json
import random
import statistics
import string
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from llguidance import LLMatcher, LLTokenizer
from measuring import quantile, timed

from mosaic.compiler.syntax.export import export

COUNTS: Final = (0, 100, 1000, 5000)
ROUNDS: Final = 5
TOKENS: Final = 32_000
PLAN: Final = """\
mosaic 1

param seed: int = 0

plan alley {
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")

  let look = fuse(base, neon * 0.8 during 0%..50%)
  let image = sample(look, prompt: "a cat in the rain, {neon}", steps: 12..30, size: 64x64, seed: seed)

  emit image as "alley.png"
}
"""


def main() -> None:
    """Print a table for each vocabulary."""
    for name, tokenizer in (("bytes", LLTokenizer("byte")), (f"{TOKENS:,} tokens", _large())):
        print(*_table(name, tokenizer), "", sep="\n")


def _table(name: str, tokenizer: LLTokenizer) -> Iterator[str]:
    yield f"{name:<16}{'grammar':>12}{'read':>20}{'mask, median':>22}{'mask, 99 %':>14}{'slowest':>12}{'plan':>20}"
    plain: tuple[float, float, float] | None = None
    for count in COUNTS:
        grammar = export("llm", names(count))
        held = LLMatcher.grammar_from_lark(grammar)
        reading = statistics.median(timed(partial(_read, tokenizer, held)) for _ in range(ROUNDS))
        masks = [taken for _ in range(ROUNDS) for taken in masking(tokenizer, held, PLAN)]
        figures = (reading, statistics.median(masks), sum(masks) / ROUNDS)
        plain = plain or figures
        ratios = [mine / other for mine, other in zip(figures, plain, strict=True)]
        yield (
            f"{f'{count:,} names':<16}{len(grammar) / 1024:>8.0f} KiB{reading:>10.2f} ms{_times(ratios[0])}"
            f"{1000 * figures[1]:>12.0f} µs{_times(ratios[1])}{1000 * quantile(masks, 0.99):>11.0f} µs"
            f"{1000 * max(masks):>9.0f} µs{figures[2]:>10.1f} ms{_times(ratios[2])}"
        )


def _times(ratio: float) -> str:
    return f"  × {ratio:<4.1f}"


def names(count: int) -> Mapping[str, Sequence[str]]:
    """Ids as hubs have them, over two kinds; those of the plan are among them."""
    chance = random.Random(4)

    def word() -> str:
        return "".join(chance.choice(string.ascii_lowercase) for _ in range(chance.randrange(4, 10)))

    if not count:
        return {}
    loras = [f"{word()}/{word()}-{word()}-v{n % 9}" for n in range(count - count // 10 - 1)]
    bases = [f"{word()}/{word()}-{n}" for n in range(count // 10 - 1)]
    return {"checkpoint": ["zoo/base", *bases], "lora": ["zoo/neon", *loras], "vae": []}


def _read(tokenizer: LLTokenizer, held: str) -> None:
    """Read a grammar, as before the first token. Raises ValueError where it is refused."""
    assert LLMatcher(tokenizer, held, log_level=0).get_error() == ""


def masking(tokenizer: LLTokenizer, held: str, text: str) -> list[float]:
    """Milliseconds of processor time for the mask before each token of a text, by a reader that is new to it."""
    matcher = LLMatcher(tokenizer, held, log_level=0)
    found = []
    for token in tokenizer.greedy_tokenize(text):
        started = time.process_time()
        matcher.compute_bitmask()
        found.append(1000 * (time.process_time() - started))
        assert matcher.consume_token(token), "the plan is not in the grammar"
    return found


def _large() -> LLTokenizer:
    """Words of random letters, short ones and those of plans: nothing that a model would use, but as many."""
    chance = random.Random(9)
    alphabet = _byte_alphabet()
    found = dict.fromkeys([*alphabet, *PLAN.split()])
    while len(found) < TOKENS - 1:
        length = min(2 + int(chance.expovariate(0.35)), 14)
        head = chance.choice(["", "", "Ġ"])
        found[head + "".join(chance.choice(string.ascii_lowercase) for _ in range(length))] = None
    vocabulary: Mapping[str, int] = {token: id for id, token in enumerate([*found, "<|end|>"])}
    document: Mapping[str, Any] = {
        "version": "1.0",
        "added_tokens": [
            {"id": len(found), "content": "<|end|>", "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
        ],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    }  # fmt: skip
    return LLTokenizer(json.dumps(document), eos_token=len(found))


def _byte_alphabet() -> list[str]:
    """How tokenizers of bytes spell them: a character each (Radford et al. 2019)."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return [chr(byte) for byte in shown] + [chr(256 + place) for place in range(len(hidden))]


if __name__ == "__main__":
    main()
