"""A text that a model writes under a grammar, token by token, so that it ends whole before its tokens run out.

Which tokens may follow says llguidance. Near the end of what may be written, each token is taken only if a way to the
end of the text is known from behind it that fits into the rest: the way of the signs that close something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from llguidance import LLMatcher, LLTokenizer
from numpy.typing import NDArray

from mosaic.agent.backends.replies import Unusable

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

_CLOSING: Final = (
    b'")]}\n =:(,{.' + b"0123456789" + b"abcdefghijklmnopqrstuvwxyz" + b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)
"""Signs by how near they bring a plan, or JSON without spare white space, to its end. A quotation mark comes first:
within a text every other sign is one more character of it."""
_GUARDED: Final = 256
"""Tokens before the last within which a way to the end is looked for."""

_JSON: Final[JsonCompileOptions] = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
}
"""One line, as `json.dumps` writes it and the examples of the prompts are written."""


class Vocabulary:
    """The tokens of a model."""

    def __init__(self, tokenizer: LLTokenizer) -> None:
        self.tokenizer = tokenizer

    @property
    def end(self) -> Sequence[int]:
        """The tokens that end a text."""
        return self.tokenizer.eos_tokens

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """The lower, the nearer a token brings a text to its end: single signs, then short tokens."""
        order = {sign: rank for rank, sign in enumerate(_CLOSING)}
        return np.array([self._rank(id, order) for id in range(self.tokenizer.vocab_size)], dtype=np.int64)

    def _rank(self, id: int, order: Mapping[int, int]) -> int:
        if self.tokenizer.is_special_token(id):
            return 2**31
        data = self.tokenizer.decode_bytes([id])
        if len(data) == 1:
            return order.get(data[0], len(order))
        return 1000 + len(data)


class Masked:
    """A text in the making. `ids` are its tokens, at most `most`."""

    def __init__(self, vocabulary: Vocabulary, grammar: str, most: int) -> None:
        self._vocabulary, self._most = vocabulary, most
        self._matcher = _sound(LLMatcher(vocabulary.tokenizer, grammar, log_level=0))
        self._way: Sequence[int] | None = None
        self.ids: list[int] = []
        self.done = False  # nothing more is written
        self.whole = False  # it is what the grammar calls a text
        self.hurried = False  # its end was not the model's
        self._write(self._matcher, [])

    @property
    def text(self) -> str:
        """What is written. Raises Unusable where it is no text."""
        try:
            return self._vocabulary.tokenizer.decode_bytes(self.ids).decode()
        except UnicodeDecodeError:
            raise Unusable("it is no text in UTF-8") from None

    def allowed(self) -> NDArray[np.bool_]:
        """Which token may be next, by its number."""
        return _allowed(self._matcher)

    def take(self, id: int) -> Sequence[int]:
        """Write a token that is allowed, and what has to follow; the tokens that were written. Raises Unusable."""
        if id in self._vocabulary.end:
            self.done = self.whole = True
            return ()
        following = self._matcher.deep_copy()
        following.consume_token(id)
        return self._write(_sound(following), [id])

    def _write(self, matcher: LLMatcher, new: list[int]) -> Sequence[int]:
        """Write tokens, after which a matcher stands, and what has to follow, or go the way to the end."""
        forced = matcher.compute_ff_tokens()
        matcher.consume_tokens(forced)
        new = [*new, *forced]
        room = self._most - len(self.ids) - len(new)
        if room < _GUARDED:
            way = None if room < 0 else _way(_sound(matcher), self._vocabulary, room)
            if way is None:
                return self._hurry()
            self._way = way
        self._matcher = _sound(matcher)
        self.ids += new
        if self._matcher.is_stopped():
            self.done = self.whole = True
        return new

    def _hurry(self) -> Sequence[int]:
        """Go the way to the end that is known, if there is one."""
        self.done = self.hurried = True
        self.whole = self._way is not None
        self.ids += self._way or ()
        return self._way or ()


def _way(matcher: LLMatcher, vocabulary: Vocabulary, room: int) -> Sequence[int] | None:
    """Tokens from where a matcher stands to the end of the text, at most so many; None where they are not found."""
    ahead, found = matcher.deep_copy(), list[int]()
    while not ahead.is_accepting():
        if len(found) >= room:
            return None
        new = ahead.compute_ff_tokens() or [_nearest(ahead, vocabulary)]
        ahead.consume_tokens(new)
        found += new
        _sound(ahead)
    return found if len(found) <= room else None


def _nearest(matcher: LLMatcher, vocabulary: Vocabulary) -> int:
    ids = np.flatnonzero(_allowed(matcher))
    return int(ids[vocabulary.ranks[ids].argmin()])


def _allowed(matcher: LLMatcher) -> NDArray[np.bool_]:
    return np.frombuffer(_sound(matcher).compute_logit_bias(), dtype=np.uint8) > 0


def _sound(matcher: LLMatcher) -> LLMatcher:
    """A matcher that has not given up. Raises Unusable: it never says so itself."""
    if matcher.is_error():
        raise Unusable(f"the grammar cannot be held: {matcher.get_error()[:120]}")
    return matcher


def plan_grammar(lark: str) -> str:
    """A grammar for plans as `Masked` takes it."""
    return LLMatcher.grammar_from_lark(lark)


def json_grammar(schema: Mapping[str, Any]) -> str:
    """JSON of a schema as `Masked` takes it."""
    return LLMatcher.grammar_from_json_schema(dict(schema), overrides=_JSON)
