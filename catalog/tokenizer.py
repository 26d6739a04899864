"""How many tokens a prompt takes: CLIP's byte-pair encoding (Radford et al. 2021, after Sennrich et al.
2016).

Only lengths are needed here, so that a prompt that does not fit is said while checking, without the libraries
that the engine uses. Tests compare with them.
"""

from __future__ import annotations

import heapq
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, Final

_END_OF_WORD: Final = "</w>"
_SPECIAL: Final = ("<|startoftext|>", "<|endoftext|>")
_CONTRACTIONS: Final = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")
# Unicode's White_Space; Python's isspace() adds four control characters.
_SPACE: Final = frozenset(
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


@dataclass(frozen=True)
class Piece:
    """A stretch `[start, end)` of a text, in characters, and how many tokens it takes."""

    start: int
    end: int
    tokens: int


@dataclass(frozen=True)
class Tokenizer:
    """A byte-pair vocabulary. `ranks` orders the merges: the lowest is applied first. `added` are whole
    words.
    """

    ranks: Mapping[tuple[str, str], int]
    added: tuple[str, ...] = _SPECIAL
    _lengths: dict[str, int] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_json(cls, text: str) -> Tokenizer:
        """Read a `tokenizer.json`. Raises ValueError for anything but CLIP's kind of vocabulary."""
        content = json.loads(text)
        model = content.get("model") if isinstance(content, dict) else None
        if not isinstance(model, dict) or model.get("end_of_word_suffix") != _END_OF_WORD:
            raise ValueError("not a byte-pair vocabulary with end-of-word marks")
        merges = model.get("merges")
        if not isinstance(merges, list):
            raise ValueError("no list of merges")
        words = [word.get("content") for word in content.get("added_tokens") or () if isinstance(word, dict)]
        added = tuple(word for word in words if isinstance(word, str) and word) or _SPECIAL
        return cls(_ranks([_pair(merge) for merge in merges]), added)

    @classmethod
    def from_merges(cls, text: str) -> Tokenizer:
        """Read a `merges.txt`. Raises ValueError."""
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#version")]
        return cls(_ranks([_pair(line) for line in lines]))

    def pieces(self, text: str, embeddings: Mapping[str, int] = MappingProxyType({})) -> list[Piece]:
        """The stretches of a text that are encoded one by one, in order.

        `embeddings` maps words that textual inversions add to how many vectors each stands for; they are
        found in any case, the longest first.
        """
        words = {word.lower(): count for word, count in embeddings.items()}
        found: list[Piece] = []
        position = 0
        for start, end, count in _occurrences(text, words):
            found += self._plain(text, position, start)
            found.append(Piece(start, end, count))
            position = end
        return found + self._plain(text, position, len(text))

    def _plain(self, text: str, start: int, end: int) -> list[Piece]:
        """The pieces of a stretch without embeddings; a special word is one token."""
        found: list[Piece] = []
        position = start
        for left, right, _ in _occurrences(text, dict.fromkeys(self.added, 1), start, end, fold=False):
            found += self._words(text, position, left)
            found.append(Piece(left, right, 1))
            position = right
        return found + self._words(text, position, end)

    def _words(self, text: str, start: int, end: int) -> list[Piece]:
        chars, origins = _normalised(text[start:end])
        found = []
        for left, right in _split(chars):
            length = self._length("".join(chars[left:right]))
            found.append(Piece(start + origins[left], start + origins[right], length))
        return found

    def _length(self, word: str) -> int:
        known = self._lengths.get(word)
        if known is None:
            known = self._lengths[word] = _merged(_symbols(word), self.ranks)
        return known


def count(
    tokenizer: Tokenizer, text: str, limit: int, embeddings: Mapping[str, int] = MappingProxyType({})
) -> tuple[int, int]:
    """How many tokens a text takes, and how many of its leading characters fit into `limit` tokens."""
    used, kept, full = 0, 0, False
    for piece in tokenizer.pieces(text, embeddings):
        used += piece.tokens
        full = full or used > limit
        if not full:
            kept = piece.end
    return used, kept if full else len(text)


def _pair(merge: Any) -> tuple[str, str]:
    parts = merge.split() if isinstance(merge, str) else merge
    if not isinstance(parts, Sequence) or len(parts) != 2 or not all(isinstance(part, str) for part in parts):
        raise ValueError("a merge is no pair of symbols")
    return parts[0], parts[1]


def _ranks(merges: list[tuple[str, str]]) -> dict[tuple[str, str], int]:
    return {pair: rank for rank, pair in enumerate(merges)}


def _occurrences(
    text: str, words: Mapping[str, int], start: int = 0, end: int | None = None, *, fold: bool = True
) -> list[tuple[int, int, int]]:
    """Where words stand in `text[start:end]`, left to right, the longest first at each place."""
    end = len(text) if end is None else end
    longest = sorted(words, key=len, reverse=True)
    found = []
    position = start
    while position < end:
        for word in longest:
            stretch = text[position : min(position + len(word), end)]
            if (stretch.lower() if fold else stretch) == word:
                found.append((position, position + len(word), words[word]))
                position += len(word)
                break
        else:
            position += 1
    return found


def _normalised(text: str) -> tuple[list[str], list[int]]:
    """The characters of a text in NFC and lower case, and for each the index that it comes from.

    The list of indices has one entry more, for the end.
    """
    chars: list[str] = []
    origins: list[int] = []
    for start, end in _clusters(text):
        for composed in unicodedata.normalize("NFC", text[start:end]):
            # Character by character: the libraries know no final sigma either.
            for char in composed.lower():
                chars.append(char)
                origins.append(start)
    return chars, [*origins, len(text)]


def _clusters(text: str) -> list[tuple[int, int]]:
    """Stretches that normalise independently: a starter that composes with nothing before it, and what
    follows.
    """
    if unicodedata.is_normalized("NFC", text):
        return [(index, index + 1) for index in range(len(text))]
    starts = [index for index, char in enumerate(text) if index == 0 or char.isascii()]
    return list(zip(starts, [*starts[1:], len(text)], strict=True))


def _split(chars: Sequence[str]) -> list[tuple[int, int]]:
    """CLIP's words: contractions, runs of letters, single numerals, runs of anything else but white space."""
    found: list[tuple[int, int]] = []
    position = 0
    while position < len(chars):
        kind = _kind(chars[position])
        if kind == "space":
            position += 1
            continue
        end = _contraction(chars, position) or _run_end(chars, position, kind)
        found.append((position, end))
        position = end
    return found


def _contraction(chars: Sequence[str], start: int) -> int | None:
    if chars[start] != "'":
        return None
    rest = "".join(chars[start : start + 3])
    # Alternatives are tried in order, not by length; no two of them are prefixes of one another.
    return next((start + len(c) for c in _CONTRACTIONS if rest.startswith(c)), None)


def _run_end(chars: Sequence[str], start: int, kind: str) -> int:
    end = start + 1
    if kind == "numeral":
        return end
    while end < len(chars) and _kind(chars[end]) == kind:
        end += 1
    return end


@lru_cache(maxsize=4096)
def _kind(char: str) -> str:
    if char in _SPACE:
        return "space"
    return {"L": "letter", "N": "numeral"}.get(unicodedata.category(char)[0], "other")


@cache
def _byte_symbols() -> dict[int, str]:
    """GPT-2's map of bytes to printable characters (Radford et al. 2019)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {b: chr(0x100 + i) for i, b in enumerate(others)}


def _symbols(word: str) -> list[str]:
    table = _byte_symbols()
    symbols = [table[byte] for byte in word.encode("utf-8", "surrogatepass")]
    symbols[-1] += _END_OF_WORD
    return symbols


def _merged(symbols: list[str], ranks: Mapping[tuple[str, str], int]) -> int:
    """How many symbols are left after all merges, each time the leftmost of the lowest rank.

    A heap over a linked list, so that a "word" of a hundred thousand characters takes no quadratic time.
    """
    following = [*range(1, len(symbols)), -1]
    previous = [*range(-1, len(symbols) - 1)]
    heap: list[tuple[int, int, str, str]] = []

    def offer(left: int) -> None:
        if left < 0 or following[left] < 0:
            return
        pair = symbols[left], symbols[following[left]]
        if pair in ranks:
            heapq.heappush(heap, (ranks[pair], left, *pair))

    for left in range(len(symbols) - 1):
        offer(left)
    count = len(symbols)
    while heap:
        _, left, first, second = heapq.heappop(heap)
        right = following[left]
        # An entry is stale when one of its symbols has been merged since; a merged right half is emptied.
        if right < 0 or symbols[left] != first or symbols[right] != second:
            continue
        symbols[left], symbols[right] = first + second, ""
        following[left] = following[right]
        if following[left] >= 0:
            previous[following[left]] = left
        count -= 1
        offer(previous[left])
        offer(left)
    return count
