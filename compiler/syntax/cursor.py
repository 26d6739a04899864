"""The LALR parser, one token at a time, with the questions that error recovery asks of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache
from typing import Any

from lark import Lark, Token, UnexpectedToken
from lark import Tree as LarkTree

from mosaic.compiler.syntax.tokens import END, Lexer
from mosaic.grammar import grammar_text

OPENING = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
CLOSING = {closing: opening for opening, closing in OPENING.items()}

STATEMENTS = ("LET", "EMIT", "RETURN", "BUDGET", "POLICY")
ITEMS = ("USE", "PARAM", "DEFINE", "PLAN")


@dataclass(frozen=True)
class Tables:
    """What is built once from the grammar and never changes."""

    grammar: Lark
    lexer: Lexer
    keywords: frozenset[str]


@cache
def tables() -> Tables:
    """The parser and scanner of the language."""
    grammar = Lark(grammar_text(), parser="lalr", propagate_positions=True, maybe_placeholders=True)
    lexer = Lexer.of(grammar)
    return Tables(grammar, lexer, frozenset(lexer.keywords.values()))


class Cursor:
    """A position in a parse. Feeding a token that does not fit changes nothing."""

    def __init__(self) -> None:
        # Lark types nothing of its interactive parser's methods.
        self._parser: Any = tables().grammar.parse_interactive("")
        self.root: LarkTree[Token] | None = None

    def feed(self, token: Token) -> bool:
        """Take a token where it fits.

        A reduction may extend the list of an earlier node in place, and is not undone. None happens for a token
        that is refused after it: no list of the grammar ends in a state whose look-ahead is wider than what
        follows the list (the tests compare trees of damaged and mended texts).
        """
        state = self._parser.parser_state
        before = state.state_stack.copy(), state.value_stack.copy()
        try:
            result = self._parser.feed_token(token)
        except UnexpectedToken:
            state.state_stack, state.value_stack = before
            return False
        if token.type == END:
            self.root = result
        return True

    def choices(self) -> Mapping[str, object]:
        """A quick over-estimate of the kinds of tokens that fit: a row of the table, not a trial."""
        row: Mapping[str, object] = self._parser.choices()
        return row

    def accepts(self) -> frozenset[str]:
        """The kinds of tokens that fit."""
        return frozenset(self._parser.accepts())

    @property
    def position(self) -> int:
        """The number of the parser's state."""
        return int(self._parser.parser_state.position)

    @property
    def open_brackets(self) -> list[Token]:
        """The brackets that are open, outermost first."""
        return [bracket for _, bracket in self._opened()]

    @property
    def in_entries(self) -> bool:
        """Whether the innermost open bracket is that of a budget or policy."""
        opened = self._opened()
        return bool(opened) and opened[-1][1].type == "LBRACE" and not self._is_block(opened[-1][0])

    def after(self, kinds: Sequence[str]) -> Cursor | None:
        """The position after tokens of these kinds, for asking questions only; None where they do not fit."""
        trial = self._trial(0)
        return trial if all(trial.feed(Token(kind, "")) for kind in kinds) else None

    def resume(self, kind: str, hole: Token) -> bool:
        """Give up as little as possible of what was read so that a token of this kind fits.

        Drops what was read last, piece by piece, and tries at each depth to complete the rest with a hole in the
        place of a value or with closing brackets. Returns whether it worked; nothing changes where it did not.
        """
        floor = self._floor(kind)
        if floor is None:
            return False
        for dropped in range(len(self._values) - floor + 1):
            for completion in self._completions(kind, dropped):
                trial = self._trial(dropped)
                if all(trial.feed(Token(step, "")) for step in (*completion, kind)):
                    self._drop(dropped)
                    for step in completion:
                        self.feed(Token(step, "", start_pos=hole.start_pos, end_pos=hole.end_pos))
                    return True
        return False

    # Details

    @property
    def _values(self) -> list[object]:
        values: list[object] = self._parser.parser_state.value_stack
        return values

    def _opened(self) -> list[tuple[int, Token]]:
        """The open brackets with their places on the stack. A closed pair may still lie there, not yet reduced."""
        opened: list[tuple[int, Token]] = []
        for place, value in enumerate(self._values):
            if isinstance(value, Token) and value.type in OPENING:
                opened.append((place, value))
            elif isinstance(value, Token) and value.type in CLOSING:
                opened.pop()
        return opened

    def _is_block(self, place: int) -> bool:
        """Whether the brace on this place of the stack is that of a plan or define."""
        before = self._values[place - 1]
        return self._values[place] == "{" and not (
            isinstance(before, Token) and before.type in ("BUDGET", "POLICY")
        )

    def _floor(self, kind: str) -> int | None:
        """How many values must stay for a token of this kind to mean what its author meant."""
        values, opened = self._values, self._opened()
        if kind in ("COMMA", "RPAR", "RSQB"):
            if not opened or self._is_block(opened[-1][0]):
                return None
            place, bracket = opened[-1]
            return place + 1 if CLOSING.get(kind, bracket.type) == bracket.type else None
        if kind == "RBRACE":
            braces = [place for place, bracket in opened if bracket.type == "LBRACE"]
            return braces[-1] + 1 if braces else None
        blocks = [place for place, _ in opened if self._is_block(place)]
        if kind in ("LET", "EMIT", "RETURN"):
            return blocks[-1] + 1 if blocks else None
        if kind in ("BUDGET", "POLICY", "LBRACE") and blocks:
            return blocks[-1] + 1
        header = values[0]
        return 2 if isinstance(header, Token) else 1  # `mosaic` and its edition, or the header made of them

    def _completions(self, kind: str, dropped: int) -> Iterator[tuple[str, ...]]:
        yield ()
        yield ("NAME",)
        if dropped == 0:
            brackets = [OPENING[b.type] for b in reversed(self.open_brackets)]
            keep = _kept_open(kind, self.open_brackets)
            closers = tuple(brackets[: len(brackets) - keep])
            if closers:
                yield closers
                yield ("NAME", *closers)
        if kind in (*STATEMENTS, *ITEMS, END, "RBRACE"):
            yield ("RBRACE",)
            yield ("EQUAL", "NAME")
        if kind == "LBRACE":
            yield ("RPAR", "_ARROW", "NAME")
            yield ("_ARROW", "NAME")
            yield ("LPAR", "RPAR", "_ARROW", "NAME")
            yield ("NAME", "LPAR", "RPAR", "_ARROW", "NAME")

    def _trial(self, dropped: int) -> Cursor:
        trial = Cursor.__new__(Cursor)
        trial._parser = self._parser.copy(deepcopy_values=False)
        trial.root = None
        state = trial._parser.parser_state
        # Trials must not build trees.
        state.parse_conf = copy(state.parse_conf)
        state.parse_conf.callbacks = {}
        trial._drop(dropped)
        return trial

    def _drop(self, count: int) -> None:
        if count:
            state = self._parser.parser_state
            del state.state_stack[-count:]
            del state.value_stack[-count:]


def _kept_open(kind: str, brackets: Sequence[Token]) -> int:
    """How many of the open brackets a token of this kind leaves open, when the others are closed before it."""
    if kind in (*ITEMS, END):
        return 0
    braces = [k for k, bracket in enumerate(brackets) if bracket.type == "LBRACE"]
    if kind == "RBRACE":
        return braces[-1] + 1 if braces else 0
    if kind in STATEMENTS:
        return braces[0] + 1 if braces else 0
    return len(brackets)
