"""What is wrong with a token that does not fit, and how reading goes on.

Particular mistakes are data: `grammar/mistakes.toml` holds malformed texts, and Lark's `match_examples` finds the
one that stops the parser in the same state. What follows from the kind of place alone (a value is missing, a
bracket is open) is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from types import SimpleNamespace
from typing import Any

from lark import Token, UnexpectedToken
from lark import Tree as LarkTree

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic, Sink
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.syntax.cursor import CLOSING, ITEMS, OPENING, STATEMENTS, Cursor, tables
from mosaic.compiler.syntax.tokens import END, ERROR
from mosaic.grammar import mistakes

_VALUES = frozenset({"NAME", "NUMBER", "LOW", "TEXT", "LSQB"})
_OPERANDS = _VALUES - {"LOW"}
_SIGNS = {"RPAR": ")", "RSQB": "]", "RBRACE": "}"}


@dataclass(frozen=True)
class Remedy:
    """How reading goes on: `skip`, `insert` or `replace` (with tokens), `unwrap`, `hoist`, `body`, `item`."""

    kind: str = "skip"
    tokens: tuple[str, ...] = ()


SKIP = Remedy()


@dataclass(frozen=True)
class Offence:
    """The token at `at` does not fit where the cursor stands."""

    source: SourceFile
    cursor: Cursor
    tokens: Sequence[Token]
    at: int

    @property
    def token(self) -> Token:
        """The token that does not fit."""
        return self.tokens[self.at]

    @property
    def next(self) -> Token:
        """The token after it."""
        return self.tokens[min(self.at + 1, len(self.tokens) - 1)]

    @property
    def span(self) -> Span:
        """Where the token stands."""
        return self.source.span(self.token.start_pos or 0, self.token.end_pos or 0)

    @property
    def previous(self) -> Span:
        """Where the token before it stands."""
        if self.at == 0:
            return self.source.span(0, 0)
        before = self.tokens[self.at - 1]
        return self.source.span(before.start_pos or 0, before.end_pos or 0)

    @property
    def same_line(self) -> bool:
        """Whether the token stands on the line of the one before it."""
        return "\n" not in self.source.text[self.previous.end : self.span.start]

    @property
    def found(self) -> str:
        """The token as a message shows it."""
        if self.token.type == END:
            return "the end of the file"
        text = str(self.token)
        return f"`{text}`" if len(text) <= 24 else f"`{text[:23]}…`"

    def say(self, kind: type[errors.syntax.Mistake], expected: tuple[str, ...] = ()) -> Diagnostic:
        """A message of a class about this token."""
        return kind(self.span, self.found, self.previous, expected)

    @property
    def gap(self) -> Span:
        """Where something is missing: at the token, or at the end of the line above it."""
        return self.span if self.same_line else self.previous.after()

    def miss(self, kind: type[errors.syntax.Mistake]) -> Diagnostic:
        """A message of a class about something that is missing before this token."""
        return kind(self.gap, self.found, self.previous)


def explain(offence: Offence) -> tuple[Diagnostic, Remedy]:
    """The message for a token that does not fit, and how to go on."""
    accepts = offence.cursor.accepts()
    found = _by_bracket(offence) or _by_place(offence, accepts) or _by_example(offence, accepts)
    return found or _by_expectation(offence, accepts)


def _by_bracket(offence: Offence) -> tuple[Diagnostic, Remedy] | None:
    """Brackets that are left open, and closing ones that close nothing."""
    token, brackets = offence.token, offence.cursor.open_brackets
    opened = brackets[-1] if brackets else None
    if token.type in CLOSING and (opened is None or opened.type != CLOSING[token.type]):
        return _wrong_closing(offence, opened)
    if opened is None or not (token.type == END or _begins(offence, *STATEMENTS, *ITEMS)):
        return None
    if opened.type == "LBRACE" and not offence.cursor.in_entries and not _ends_block(offence):
        return None
    if _is_reserved_name(offence):
        return None
    return _unclosed(offence, opened), SKIP


def _wrong_closing(offence: Offence, opened: Token | None) -> tuple[Diagnostic, Remedy]:
    bracket = _SIGNS[offence.token.type]
    if opened is None or not any(b.type == CLOSING[offence.token.type] for b in offence.cursor.open_brackets):
        here = offence.source.span(opened.start_pos or 0, opened.end_pos or 0) if opened else None
        right = OPENING[opened.type] if opened and opened.type != "LBRACE" else ""
        if right and offence.cursor.after([right]):
            return errors.syntax.NothingToClose(offence.span, bracket, here, _SIGNS[right]), Remedy(
                "replace", (right,)
            )
        return errors.syntax.NothingToClose(offence.span, bracket, here), Remedy("replace")
    return _unclosed(offence, opened), SKIP


def _unclosed(offence: Offence, opened: Token) -> Diagnostic:
    here = offence.source.span(opened.start_pos or 0, opened.end_pos or 0)
    return errors.syntax.Unclosed(
        offence.gap, str(opened), _SIGNS[OPENING[opened.type]], here, offence.previous
    )


def _ends_block(offence: Offence) -> bool:
    """Whether a token inside of a block shows that the block's own brace is missing."""
    if offence.token.type == END:
        return True
    if offence.token.type not in ("PLAN", "DEFINE"):
        return False
    # With as many closing braces as opening ones, the item is nested, not the brace forgotten.
    kinds = [token.type for token in offence.tokens]
    return kinds.count("LBRACE") > kinds.count("RBRACE")


def _by_place(offence: Offence, accepts: frozenset[str]) -> tuple[Diagnostic, Remedy] | None:
    """Words of the language in places that are not theirs."""
    token = offence.token
    if _is_reserved_name(offence) and "NAME" in accepts:
        # The tree's builder reports the word.
        return errors.syntax.ReservedWord(offence.span, str(token)), Remedy("replace", ("NAME",))
    at_boundary = bool(accepts & {"LET", "PLAN"})
    if at_boundary and "LET" not in accepts and _begins(offence, "LET", "EMIT", "RETURN"):
        return offence.say(errors.syntax.OutsidePlan), Remedy("item")
    if at_boundary and "LET" in accepts and _begins(offence, *ITEMS):
        return offence.say(errors.syntax.InsideBlock), Remedy("hoist")
    return None


def _by_expectation(offence: Offence, accepts: frozenset[str]) -> tuple[Diagnostic, Remedy]:
    """What the kind of place says."""
    kind = offence.token.type
    if accepts == {"NAME"} and kind == "TEXT":
        return offence.say(errors.syntax.QuotedName), Remedy("replace", ("NAME",))
    if accepts == {"NAME"} and kind == "NUMBER":
        return offence.say(errors.syntax.UnexpectedToken, ("a name",)), Remedy("replace", ("NAME",))
    if accepts in ({"NAME"}, {"NAME", "TEXT"}):
        return offence.miss(errors.syntax.MissingName), SKIP
    if accepts >= _OPERANDS:
        return offence.miss(errors.syntax.MissingValue), SKIP
    if "_DOTS" in accepts and "STAR" not in accepts:
        return offence.miss(errors.syntax.MissingBound), SKIP
    if kind == "NAME" and accepts & {"LET", "PLAN"}:
        return _statement(offence, accepts)
    if "COMMA" in accepts and kind in _VALUES:
        return offence.say(errors.syntax.MissingComma), Remedy("insert", ("COMMA",))
    return offence.say(errors.syntax.UnexpectedToken, _describe(accepts)), SKIP


def _statement(offence: Offence, accepts: frozenset[str]) -> tuple[Diagnostic, Remedy]:
    """A name where a statement or item should begin."""
    if offence.next.type == "EQUAL" and "LET" in accepts:
        return offence.say(errors.syntax.MissingLet), Remedy("insert", ("LET",))
    words = tuple(f"`{kind.lower()}`" for kind in (*ITEMS, *STATEMENTS) if kind in accepts)
    mistake = errors.syntax.UnknownStatement(offence.span, offence.found, offence.previous, words)
    if mistake.near and offence.next.type in (*_VALUES, "LBRACE"):
        return mistake, Remedy("replace", (mistake.near.upper(),))
    if offence.next.type in ("LPAR", "DOT", "STAR", "IN", "DURING") and not offence.same_line:
        return offence.say(errors.syntax.BareExpression), SKIP
    return mistake, SKIP


def _begins(offence: Offence, *kinds: str) -> bool:
    """Whether the token begins a statement or item of one of these kinds."""
    return offence.token.type in kinds and offence.next.type != "COLON"


def _is_reserved_name(offence: Offence) -> bool:
    """Whether a keyword stands where a name is meant, judging by what surrounds it."""
    if offence.token.type not in tables().keywords or "NAME" not in offence.cursor.choices():
        return False
    follows = (
        "EQUAL",
        "COMMA",
        "RPAR",
        "RSQB",
        "STAR",
        "DOT",
        "IN",
        "LPAR",
        "COLON",
        "LBRACE",
        "RBRACE",
        "AS",
        END,
    )
    return offence.same_line and offence.next.type in follows


def _describe(accepts: frozenset[str]) -> tuple[str, ...]:
    """The kinds of tokens that fit, in words, in a fixed order."""
    spelled = {name: text for text, name in (*tables().lexer.signs.items(), *tables().lexer.keywords.items())}
    words = []
    if accepts >= _VALUES:
        words.append("a value")
    else:
        named = {"NAME": "a name", "NUMBER": "a number", "TEXT": "a text"}
        words += [text for kind, text in named.items() if kind in accepts]
    signs = [
        spelled[kind] for kind in accepts if kind in spelled and not (kind == "LSQB" and "a value" in words)
    ]
    words += [f"`{text}`" for text in sorted(signs, key=lambda text: (text.isalpha(), text))]
    if END in accepts:
        words.append("the end of the file")
    return tuple(words)


# Mistakes by example


def _by_example(offence: Offence, accepts: frozenset[str]) -> tuple[Diagnostic, Remedy] | None:
    token = offence.token
    for beyond, (state, fits) in _signatures(offence.cursor, accepts).items():
        stop = _stop(token, state, fits)
        label = stop.match_examples(partial(_raise, beyond, token), _examples())
        if label is not None:
            entry = mistakes()[int(label)]
            kind = getattr(errors.syntax, entry["class"])
            is_missing = entry["class"].startswith("Missing")
            return (offence.miss(kind) if is_missing else offence.say(kind)), _remedy(entry, token)
    return None


def _remedy(entry: dict[str, object], token: Token) -> Remedy:
    if entry.get("remedy") == "body" and token.startswith("el"):
        return SKIP  # the names of an `else` are mostly those of its `if`
    for kind in ("insert", "replace"):
        if kind in entry:
            return Remedy(kind, tuple(entry[kind]))  # type: ignore[arg-type]
    return Remedy(str(entry.get("remedy", "skip")))


def _signatures(cursor: Cursor, accepts: frozenset[str]) -> dict[str, tuple[int, frozenset[str]]]:
    """The parser's state as it is, then the states behind what could follow a finished value or statement.

    The latter make `f(a * 0.8 b)` the same mistake as `f(a b)`.
    """
    found = {"": (cursor.position, accepts)}
    closing = accepts & {"COMMA", "RPAR", "RSQB", "RBRACE", "AS", "LET", "PLAN"}
    for kind in ("COMMA", "AS", "LET", "PLAN"):
        beyond = cursor.after([kind]) if kind in accepts else None
        if beyond is not None:
            found[kind] = (beyond.position, closing)
    return found


def _stop(token: Token, state: int, accepts: frozenset[str]) -> UnexpectedToken:
    # Lark compares the sets of two stops through their parsers; both are known here already.
    parser: Any = SimpleNamespace(accepts=lambda: accepts)
    stop: Any = UnexpectedToken
    found: UnexpectedToken = stop(token, set(accepts), state=state, interactive_parser=parser)
    return found


def _raise(beyond: str, token: Token, text: str) -> LarkTree[Token]:
    """Raise the stop of an example where it stops at a token like this one; else behave as if it were read."""
    stops, exact = _stops(text)
    stop = stops.get(beyond)
    if stop is not None and stop.token.type == token.type and (not exact or str(stop.token) == str(token)):
        raise stop
    return LarkTree("elsewhere", [])


@cache
def _stops(example: str) -> tuple[dict[str, UnexpectedToken], bool]:
    """Where an example stops, by each signature; and whether only the same word counts as the same token."""
    exact, _, text = example.partition("\n")
    cursor, tokens = Cursor(), _tokens(text)
    for at, token in enumerate(tokens):
        if token.type in tables().keywords and tokens[at + 1].type == "COLON" and "NAME" in cursor.choices():
            token = Token("NAME", str(token))
        if not cursor.feed(token):
            found = _signatures(cursor, cursor.accepts())
            return {beyond: _stop(token, *signature) for beyond, signature in found.items()}, exact == "exact"
    raise ValueError(f"an example of mistakes.toml is well-formed: {text}")


def _tokens(text: str) -> tuple[Token, ...]:
    lexed = tables().lexer.lex(SourceFile("mistakes.toml", text), Sink())
    if any(token.type == ERROR for token in lexed.tokens):
        raise ValueError(f"an example of mistakes.toml holds what is no token: {text}")
    return lexed.tokens


@cache
def _examples() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(number of the entry, its examples), each example led by a line that says `exact` or nothing."""
    table = []
    for number, entry in enumerate(mistakes()):
        mark = "exact" if entry.get("exact") else ""
        bodies = [f"plan p {{ {body} }}" for body in entry.get("statement", ())] + list(entry.get("item", ()))
        texts = tuple(f"{mark}\nmosaic 1 {text}" for body in bodies for text in _expanded(body))
        table.append((str(number), texts))
    return tuple(table)


def _expanded(body: str) -> Iterator[str]:
    """Every combination of the alternatives in `{a|b}`."""
    pieces = re.split(r"\{([^{}]*\|[^{}]*)\}", body)
    yield from (
        "".join(choice) for choice in product(*(p.split("|") if k % 2 else [p] for k, p in enumerate(pieces)))
    )
