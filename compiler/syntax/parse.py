"""Text -> tree, with every mistake reported in one run.

A token that does not fit is first explained (`mistakes.py`), then mended where its mending is obvious (a missing
comma is put in), else skipped up to the next place where the parser knows its way: a comma or bracket of the
same call, the next statement, the next item. What was read is kept; what could not be read leaves a `Hole`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lark import Token
from lark import Tree as LarkTree

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic, Sink
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.syntax import tree
from mosaic.compiler.syntax.build import Builder
from mosaic.compiler.syntax.cursor import CLOSING, ITEMS, OPENING, STATEMENTS, Cursor, tables
from mosaic.compiler.syntax.limits import MAX_DEPTH, MAX_MISTAKES, MAX_SIZE
from mosaic.compiler.syntax.tokens import END, ERROR, Lexed

if TYPE_CHECKING:
    from mosaic.compiler.syntax.mistakes import Remedy


def decode(name: str, data: bytes, sink: Sink) -> SourceFile | None:
    """The text of a file's bytes, or None where they are no text; the reason is reported.

    A byte order mark of UTF-8 is dropped.
    """
    nowhere = SourceFile(name, "").span(0, 0)
    if len(data) > MAX_SIZE:
        sink.add(errors.syntax.TooLarge(nowhere, len(data)))
        return None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        sink.add(errors.syntax.NotText(nowhere, "it is in UTF-16"))
        return None
    if b"\0" in data:
        sink.add(errors.syntax.NotText(nowhere, f"byte {data.index(0)} is zero, as in binary files"))
        return None
    try:
        return SourceFile(name, data.removeprefix(b"\xef\xbb\xbf").decode("utf-8"))
    except UnicodeDecodeError as fault:
        sink.add(errors.syntax.NotText(nowhere, f"byte {fault.start} begins no character"))
        return None


def parse(source: SourceFile, sink: Sink) -> tree.File:
    """The tree of a file. Always returns as much of it as can be read; every mistake goes to the sink."""
    if len(source.text) > MAX_SIZE:
        sink.add(errors.syntax.TooLarge(source.span(0, 0), len(source.text.encode("utf-8", "surrogatepass"))))
        return tree.File(source, None, ())
    capped = _Capped(sink)
    lexed = tables().lexer.lex(source, capped)
    reader = _Reader(source, capped, lexed)
    root = reader.read()
    return Builder(source, capped).file(root, reader.hoisted, lexed.comments)


class _Capped(Sink):
    """Passes the first mistakes on, then says once that there are too many."""

    def __init__(self, outer: Sink) -> None:
        super().__init__()
        self._outer = outer

    def add(self, diagnostic: Diagnostic) -> None:
        if self.full:
            return
        super().add(diagnostic)
        self._outer.add(errors.syntax.TooManyMistakes(diagnostic.span) if self.full else diagnostic)

    @property
    def full(self) -> bool:
        """Whether so many mistakes were made that the rest is not worth reading."""
        return len(self._seen) > MAX_MISTAKES


class _Enough(Exception):
    """The sink is full."""


class _Reader:
    """One run over the tokens of a file."""

    def __init__(self, source: SourceFile, sink: _Capped, lexed: Lexed) -> None:
        self.source = source
        self.sink = sink
        self.tokens = list(lexed.tokens)
        self.faults = lexed.faults
        self.cursor = Cursor()
        self.hoisted: list[LarkTree[Token]] = []
        self._pairs: dict[int, int] | None = None
        self.quiet_until = -1  # an error at or before this token follows from the one just reported
        self.depth = 0

    def read(self) -> LarkTree[Token]:
        """Feed every token."""
        at = self._header()
        try:
            while self.cursor.root is None:
                at = self._step(at)
        except _Enough:
            end = self.tokens[-1]
            self.cursor.resume(END, end)
            self.cursor.feed(end)
        assert self.cursor.root is not None
        return self.cursor.root

    def _header(self) -> int:
        """Feed the header, or one in its place."""
        first, second = self.tokens[0], self.tokens[min(1, len(self.tokens) - 1)]
        if first.type == "MOSAIC" and second.type == "NUMBER":
            self.cursor.feed(first)
            self.cursor.feed(second)
            return 2
        at = 0
        if first.type != "MOSAIC":
            before = self.source.span(0, 0) if first.type == END else self._span(0)
            self.sink.add(errors.syntax.MissingHeader(before))
        elif "\n" in self.source.text[first.end_pos : second.start_pos] or second.type == END:
            at = 1
            self.sink.add(errors.syntax.UnknownEdition(self._span(0).after(), ""))
        else:
            at = 2
            self.sink.add(errors.syntax.UnknownEdition(self._span(1), str(second)))
        self.cursor.feed(Token("MOSAIC", "", start_pos=0, end_pos=0))
        self.cursor.feed(Token("NUMBER", "", start_pos=0, end_pos=0))
        return at

    def _step(self, at: int) -> int:
        token = self._adapted(at)
        if token.type in ("LPAR", "LSQB") and self.depth >= MAX_DEPTH:
            self._report(errors.syntax.TooDeep(self._span(at)))
            return self._skip(at, (*STATEMENTS, *ITEMS, END))
        if not self.cursor.feed(token):
            return self._recover(at)
        if token.type in ("LPAR", "LSQB"):
            self.depth += 1
        elif token.type in ("RPAR", "RSQB"):
            self.depth -= 1
        return at + 1

    def _adapted(self, at: int) -> Token:
        """The token, as a name where it is a keyword that serves as a key."""
        token = self.tokens[at]
        if token.type not in tables().keywords:
            return token
        choices = self.cursor.choices()
        if token.type in choices or "NAME" not in choices:
            return token
        is_key = self.tokens[at + 1].type == "COLON" or (token.type == "USE" and self.cursor.in_entries)
        if token.type == "MOSAIC" or is_key:
            return Token("NAME", str(token), start_pos=token.start_pos, end_pos=token.end_pos)
        return token

    # Recovery

    def _recover(self, at: int) -> int:
        token = self.tokens[at]
        if at <= self.quiet_until:
            return self._skip(max(at, self.quiet_until))
        if token.type == ERROR:
            self._report(self.faults[token.start_pos or 0])
            self.quiet_until = at + 1
            return at + 1 if self.cursor.after([self._adapted(at + 1).type]) else self._skip(at + 1)
        from mosaic.compiler.syntax.mistakes import Offence, explain  # a sound file needs none of it

        mistake, remedy = explain(Offence(self.source, self.cursor, self.tokens, at))
        self._report(mistake)
        return self._apply(remedy, at)

    def _apply(self, remedy: Remedy, at: int) -> int:
        token = self.tokens[at]
        self.quiet_until = at
        match remedy.kind:
            case "insert":
                self._feed_made(remedy.tokens, self._end_before(at))
                return at
            case "replace":
                text = str(token).strip('"')
                made = [
                    Token(kind, text, start_pos=token.start_pos, end_pos=token.end_pos)
                    for kind in remedy.tokens
                ]
                self._change(at, made)
                self.quiet_until = at + max(len(made), 1) - 1
                return at
            case "unwrap":
                closing = self._closing(at)
                if closing is not None:
                    self._change(closing, [])
                self._change(at, [])
                return at
            case "hoist":
                return self._hoist(at)
            case "body":
                return self._body(at)
            case "item":
                return self._skip(at + 1, (*ITEMS, END))
            case _:
                return self._skip(at)

    def _feed_made(self, kinds: tuple[str, ...], offset: int) -> None:
        for kind in kinds:
            self.cursor.feed(Token(kind, "", start_pos=offset, end_pos=offset))

    def _hoist(self, at: int) -> int:
        """Read an item that stands inside of a block as if it stood at the top of the file."""
        end = at + 1
        while not self._is_sync(end) and self.tokens[end].type not in ("RBRACE", END):
            closing = self._closing(end) if self.tokens[end].type == "LBRACE" else None
            end = end + 1 if closing is None else closing + 1
            if closing is not None:
                break
        aside = Cursor()
        header = (Token("MOSAIC", "", start_pos=0, end_pos=0), Token("NUMBER", "", start_pos=0, end_pos=0))
        if (
            all(aside.feed(t) for t in (*header, *self.tokens[at:end], Token(END, "")))
            and aside.root is not None
        ):
            self.hoisted.extend(node for node in aside.root.children[1:] if isinstance(node, LarkTree))
        return end

    def _body(self, at: int) -> int:
        """Read on inside of the braces that follow, as if they were not there."""
        brace = at
        while self.tokens[brace].type not in ("LBRACE", "RBRACE", END) and not self._is_sync(brace):
            brace += 1
        closing = self._closing(brace) if self.tokens[brace].type == "LBRACE" else None
        if closing is None:
            return self._skip(at)
        self._change(closing, [])
        self.tokens[at : brace + 1] = self._counter(at)
        self._pairs = None
        return self._skip(at)

    def _counter(self, at: int) -> list[Token]:
        """The variable of `for s in`, bound to a hole, so that its uses are not reported as well."""
        name, word = self.tokens[at + 1], self.tokens[at + 2]
        if name.type != "NAME" or word.type != "IN":
            return []
        made = (("LET", "let"), ("NAME", str(name)), ("EQUAL", "="), ("NAME", ""))
        return [Token(kind, text, start_pos=name.start_pos, end_pos=name.end_pos) for kind, text in made]

    def _skip(self, at: int, wanted: tuple[str, ...] | None = None) -> int:
        """Go on at the first token from `at` where the parser knows its way."""
        inner = 0
        hopeless: list[str] = []  # kinds of tokens that are known not to fit, so that each is tried once
        while True:
            token = self.tokens[at]
            is_stop = self._is_stop(at, inner) and (wanted is None or token.type in wanted)
            if is_stop and token.type not in hopeless:
                if self.cursor.resume(token.type, self._hole(at)):
                    self.depth = sum(b.type != "LBRACE" for b in self.cursor.open_brackets)
                    return at
                hopeless.append(token.type)
            if token.type in ("LPAR", "LSQB"):
                inner += 1
            elif token.type in ("RPAR", "RSQB"):
                inner = max(inner - 1, 0)
            elif token.type == "LBRACE":
                at = self._closing(at) or at
            at += 1

    def _change(self, at: int, tokens: list[Token]) -> None:
        """Put other tokens in the place of one."""
        self.tokens[at : at + 1] = tokens
        self._pairs = None

    def _closing(self, at: int) -> int | None:
        """The place of the bracket that closes the one at `at`."""
        if self._pairs is None:
            self._pairs = _pairs(self.tokens)
        return self._pairs.get(at)

    def _is_stop(self, at: int, inner: int) -> bool:
        kind = self.tokens[at].type
        if kind in ("COMMA", "RPAR", "RSQB"):
            return inner == 0
        return kind in ("RBRACE", "LBRACE", END) or self._is_sync(at)

    def _is_sync(self, at: int) -> bool:
        """Whether a token begins a statement or item: a keyword that is no key."""
        return self.tokens[at].type in (*STATEMENTS, *ITEMS) and self.tokens[at + 1].type != "COLON"

    def _report(self, mistake: Diagnostic) -> None:
        self.sink.add(mistake)
        if self.sink.full:
            raise _Enough

    def _hole(self, at: int) -> Token:
        offset = self._end_before(at)
        return Token("NAME", "", start_pos=offset, end_pos=offset)

    def _end_before(self, at: int) -> int:
        return (self.tokens[at - 1].end_pos or 0) if at else 0

    def _span(self, at: int) -> Span:
        token = self.tokens[at]
        return self.source.span(token.start_pos or 0, token.end_pos or 0)


def _pairs(tokens: list[Token]) -> dict[int, int]:
    """The places of closing brackets by those of their opening ones. A closing bracket closes what is left open
    inside of its pair."""
    pairs: dict[int, int] = {}
    opened: dict[str, list[int]] = {kind: [] for kind in OPENING}
    for at, token in enumerate(tokens):
        if token.type in OPENING:
            opened[token.type].append(at)
        elif token.type in CLOSING and opened[CLOSING[token.type]]:
            start = opened[CLOSING[token.type]].pop()
            pairs[start] = at
            for places in opened.values():
                while places and places[-1] > start:
                    places.pop()
    return pairs
