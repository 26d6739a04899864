"""Which layers of a model: the selectors of operators that change only some, read and asked.

A selector is a list of terms with commas: `attn2`, `attn2.to_k, attn2.to_v`, `up.attn2`, `down.0`, `te, !te.layers.0`.
A term is a path of words with dots. It selects a tensor whose canonical name (`unet.up_blocks.1.attentions.0.…`) has
parts that match its words, in this order; parts may be left out between two words, but a number belongs to the word
before it: `down.0` is the first stage, not whatever has a zero behind it. In a word `*` stands for any letters and `?`
for one. `!term` takes away what other terms select; where all terms do so, they take it from everything.

Beside the words of the names there are short ones, see `SHORT`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final

from mosaic.compiler.facts import AdapterFacts

SHORT: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "down": ("down_blocks",),
        "mid": ("mid_block",),
        "up": ("up_blocks",),
        "attn1": ("attn1",),
        "attn2": ("attn2",),
        "ff": ("ff", "ff_context"),
        "conv": ("conv", "conv1", "conv2", "conv_in", "conv_out", "conv_shortcut"),
        "time": ("time_embedding", "time_emb_proj", "time_text_embed"),
        "te": ("text_encoder", "text_encoder_2", "text_encoder_3"),
    }
)
"""Short words and the parts of names that they stand for: stages of a U-Net, its self- and cross-attention,
feed-forward layers, convolutions, the layers that read the time, all text encoders. None of them hides a part of a
name that it does not stand for, so that a name, or a piece of one, always selects what bears it."""

_UNET_ONLY: Final = ("attn1", "attn2")
"""Some transformers have layers of these names, which are no cross-attention."""
_WORD: Final = re.compile(r"[A-Za-z0-9_*?-]+")
_COMPONENTS: Final = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3", "te")


@dataclass(frozen=True)
class Malformed:
    """What is wrong with a text that should be a selector, and where: `offset` letters in, `length` letters long."""

    offset: int
    length: int
    reason: str


@dataclass(frozen=True)
class Run:
    """A word and the numbers that belong to it: they match parts of a name that stand side by side."""

    word: str
    numbers: tuple[str, ...] = ()

    def meets(self, parts: tuple[str, ...], place: int) -> bool:
        """Whether a name has it from a place on."""
        if parts[place + 1 : place + 1 + len(self.numbers)] != self.numbers:
            return False
        if self.word in _UNET_ONLY and parts[0] != "unet":
            return False
        return any(fnmatchcase(parts[place], pattern) for pattern in SHORT.get(self.word, (self.word,)))


@dataclass(frozen=True)
class Term:
    """One path of a selector."""

    runs: tuple[Run, ...]
    excludes: bool = False

    def matches(self, parts: tuple[str, ...]) -> bool:
        """Whether the parts of a name have all runs, in this order."""
        place = 0
        for run in self.runs:
            # The first place at which a run can stand leaves the most room for the others.
            while place < len(parts) and not run.meets(parts, place):
                place += 1
            if place == len(parts):
                return False
            place += 1 + len(run.numbers)
        return True


@dataclass(frozen=True)
class Selector:
    """A selection among the tensors of a model."""

    terms: tuple[Term, ...]

    def selects(self, name: str) -> bool:
        """Whether it selects a tensor by its canonical name.

        >>> parse("up.attn2").selects("unet.up_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight")
        True
        """
        parts = tuple(name.split("."))
        wanted = [term for term in self.terms if not term.excludes]
        unwanted = [term for term in self.terms if term.excludes]
        return (not wanted or any(term.matches(parts) for term in wanted)) and not any(
            term.matches(parts) for term in unwanted
        )

    def selects_any(self, names: Iterable[str]) -> bool:
        """Whether it selects one of some tensors."""
        return any(self.selects(name) for name in names)

    def may_select(self, adapter: AdapterFacts) -> bool:
        """Whether it may select a tensor that an adapter changes, as far as what is known of the adapter says.

        Where the names of its tensors are at hand `selects_any` is exact.
        """
        if not adapter.modules:
            return True
        return any(_may_match(term, adapter) for term in self.terms if not term.excludes) or all(
            term.excludes for term in self.terms
        )


def short_words(names: Iterable[str]) -> tuple[str, ...]:
    """The short words that select one of some tensors, to tell a person what is there; `attn` of a transformer too."""
    parts = dict.fromkeys(tuple(name.split(".")) for name in names)
    return tuple(word for word in (*SHORT, "attn") if any(Term((Run(word),)).matches(each) for each in parts))


def parse(text: str) -> Selector | Malformed:
    """Read a selector; what is wrong with it is a value, so that it can be shown in its place.

    >>> parse("attn2, attn2..to_k")
    Malformed(offset=13, length=1, reason='a word is missing')
    """
    terms: list[Term] = []
    start = 0
    for written in text.split(","):
        found = _term(written, start)
        if isinstance(found, Malformed):
            return found
        terms.append(found)
        start += len(written) + 1
    return Selector(tuple(terms))


def _term(written: str, start: int) -> Term | Malformed:
    path = written.strip()
    start += len(written) - len(written.lstrip())
    excludes = path.startswith("!")
    if excludes:
        start += len(path) - len(path[1:].lstrip())
        path = path[1:].lstrip()
    runs: list[Run] = []
    for word in path.split("."):
        if not word:
            return Malformed(start, 1, "a word is missing")
        letters = _WORD.match(word)
        if letters is None or letters.end() < len(word):
            return Malformed(
                start + (letters.end() if letters else 0),
                1,
                "a word is made of letters, digits, `_`, `-`, `*` and `?`",
            )
        if not word.isdigit():
            runs.append(Run(word))
        elif not runs:
            return Malformed(start, len(word), "a number belongs to the word before it")
        else:
            runs[-1] = Run(runs[-1].word, (*runs[-1].numbers, word))
        start += len(word) + 1
    return Term(tuple(runs), excludes)


def _may_match(term: Term, adapter: AdapterFacts) -> bool:
    return all(_may_have(run.word, adapter) for run in term.runs)


def _may_have(word: str, adapter: AdapterFacts) -> bool:
    """Whether an adapter may change something under a word: most words are not known well enough to say no."""
    if word in _UNET_ONLY:
        return {"attn1": "self", "attn2": "cross"}[word] in adapter.attention
    if word in ("down", "mid", "up"):
        return word in adapter.blocks
    if word in _COMPONENTS:
        return any(part in SHORT.get(word, (word,)) for part in adapter.parts)
    return True
