"""Prompts to token ids: CLIP's byte-pair encoding, with words that embeddings add.

Added words are kept outside the tokenizer, so that a base's tokenizer is shared by every model made from it
and never changes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import PromptTooLong

_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_UNSTATED = 1_000_000
"""Tokenizers without a stated maximum say 10^30."""


@dataclass(frozen=True)
class Added:
    """A word that an embedding adds, and the ids of its vectors."""

    word: str
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Tokens:
    """A tokenizer with its special ids. `limit` counts the begin and end marks."""

    tokenizer: Tokenizer
    begin: int
    end: int
    pad: int
    limit: int
    added: tuple[Added, ...] = ()

    def knows(self, word: str) -> bool:
        """Whether a word is one token already."""
        taken = (added.word.lower() for added in self.added)
        lowered = word.lower()
        vocabulary = (self.tokenizer.token_to_id(form) for form in (word, lowered, f"{lowered}</w>"))
        return lowered in taken or any(found is not None for found in vocabulary)

    def adding(self, word: str, ids: Sequence[int]) -> Tokens:
        """The same tokens with one more word."""
        return replace(self, added=(*self.added, Added(word, tuple(ids))))

    def encode(self, text: str) -> list[int]:
        """The `limit` ids of a prompt: begin, the text, end, padding.

        Raises MosaicError (M455) if it does not fit.
        """
        pieces = list(self._pieces(text))
        room = self.limit - 2
        if len(pieces) > room:
            cut = text[pieces[room][1] :].strip()
            raise MosaicError(PromptTooLong(span=None, used=len(pieces), limit=room, cut=cut))
        ids = [self.begin, *(number for number, _ in pieces), self.end]
        return ids + [self.pad] * (self.limit - len(ids))

    def _pieces(self, text: str) -> list[tuple[int, int]]:
        """Ids with the offset in the text at which each begins."""
        found: list[tuple[int, int]] = []
        position = 0
        for start, end, added in self._occurrences(text):
            found += self._plain(text, position, start)
            found += [(number, start) for number in added.ids]
            position = end
        return found + self._plain(text, position, len(text))

    def _occurrences(self, text: str) -> list[tuple[int, int, Added]]:
        if not self.added:
            return []
        # CLIP reads lower case only, so added words are found in any case; the longest word wins.
        words = {added.word.lower(): added for added in self.added}
        pattern = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
        hits = re.finditer(pattern, text, re.IGNORECASE)
        return [(hit.start(), hit.end(), words[hit[0].lower()]) for hit in hits if hit[0].lower() in words]

    def _plain(self, text: str, start: int, end: int) -> list[tuple[int, int]]:
        if not text[start:end].strip():
            return []
        encoding = self.tokenizer.encode(text[start:end], add_special_tokens=False)
        return [
            (number, start + offset[0]) for number, offset in zip(encoding.ids, encoding.offsets, strict=True)
        ]


def from_json(text: str, config: Mapping[str, Any], positions: int) -> Tokens:
    """Tokens from a `tokenizer.json` and a `tokenizer_config.json`. Raises ValueError for what is not a
    tokenizer.

    `positions` is how many tokens the text encoder reads.
    """
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:
        # The library raises the plain base class; anything narrower is not its complaint about the text.
        if type(error) is not Exception:
            raise
        raise ValueError(str(error)) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return _tokens(tokenizer, config, positions)


def from_vocabulary(
    vocabulary: Mapping[str, int], merges: str, config: Mapping[str, Any], positions: int
) -> Tokens:
    """Tokens from the older pair `vocab.json` and `merges.txt` (Radford et al. 2021, CLIP's tokenizer)."""
    pairs = [tuple(line.split()) for line in merges.splitlines() if not line.startswith("#version")]
    known = [(left, right) for left, right in (p for p in pairs if len(p) == 2) if left + right in vocabulary]
    end = _word(config, "eos_token", "<|endoftext|>")
    tokenizer = Tokenizer(
        BPE(dict(vocabulary), known, end_of_word_suffix="</w>", unk_token=_word(config, "unk_token", end))
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    begin = _word(config, "bos_token", "<|startoftext|>")
    tokenizer.add_special_tokens([AddedToken(word, normalized=False) for word in (begin, end)])
    return _tokens(tokenizer, config, positions)


def preserved(tokens: Tokens) -> dict[str, Any]:
    """Tokens as data for JSON, with their added words."""
    return {
        "tokenizer": json.loads(tokens.tokenizer.to_str()),
        "begin": tokens.begin,
        "end": tokens.end,
        "pad": tokens.pad,
        "limit": tokens.limit,
        "added": [[added.word, list(added.ids)] for added in tokens.added],
    }


def revived(data: Mapping[str, Any]) -> Tokens:
    """Tokens from what `preserved` gave. Raises ValueError, TypeError or KeyError for anything else."""
    plain = from_json(json.dumps(data["tokenizer"]), {}, int(data["limit"]))
    begin, end, pad = (int(data[key]) for key in ("begin", "end", "pad"))
    added = tuple(Added(str(word), tuple(int(number) for number in ids)) for word, ids in data["added"])
    return replace(plain, begin=begin, end=end, pad=pad, added=added)


def _tokens(tokenizer: Tokenizer, config: Mapping[str, Any], positions: int) -> Tokens:
    end = _word(config, "eos_token", "<|endoftext|>")
    words = (_word(config, "bos_token", "<|startoftext|>"), end, _word(config, "pad_token", end))
    ids = []
    for word in words:
        number = tokenizer.token_to_id(word)
        if number is None:
            raise ValueError(f"the special token {word} is not in the vocabulary")
        ids.append(number)
    stated = config.get("model_max_length")
    limit = positions
    if isinstance(stated, int | float) and 2 < stated < _UNSTATED:
        limit = min(positions, int(stated))
    return Tokens(tokenizer, ids[0], ids[1], ids[2], limit)


def _word(config: Mapping[str, Any], key: str, default: str) -> str:
    value = config.get(key)
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else default
