"""Text -> tokens, by the terminals of the grammar.

The lexer never gives up: what is no token becomes one of type `ERROR`, and lookalikes (curly quotes,
semicolons, foreign comment marks) are reported once and read as what they stand for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lark import Lark, Token
from lark.lexer import PatternStr

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic, Sink
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax.tree import Comment

END = "$END"
ERROR = "ERROR"

_ORDER = ("SPACE", "COMMENT", "TEXT", "LOW", "NUMBER", "NAME")
"""Patterns by falling greed; the fixed signs follow, longest first. Keywords are names told apart by a table."""

_LOOKALIKES = (
    ("CURLY_TEXT", r"[\u201c\u201d\u201e][^\u201c\u201d\u201e\"\r\n]*[\u201c\u201d]"),
    ("SINGLE_TEXT", r"'[^'\"\r\n]*'"),
    ("OPEN_TEXT", r'"[^\r\n]*'),
    ("SLASH_COMMENT", r"//[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?"),
    ("SEMICOLON", r";"),
    ("ERROR_SIGN", r":=|==|=>|!=|<=|>=|&&|\|\||\*\*|\+=|-="),
    ("FOREIGN_SPACE", r"[^\S \t\r\n]+|[\u200b\u200c\u200d\u2060\ufeff]+"),
)


@dataclass(frozen=True)
class Lexed:
    """The tokens of a file, ended by one of type `$END`; its comments; what the ERROR token at an offset means."""

    tokens: tuple[Token, ...]
    comments: tuple[Comment, ...]
    faults: dict[int, Diagnostic]


@dataclass(frozen=True)
class Lexer:
    """A scanner built from the terminals of a grammar."""

    pattern: re.Pattern[str]
    keywords: dict[str, str]
    signs: dict[str, str]

    @classmethod
    def of(cls, grammar: Lark) -> Lexer:
        """The scanner for a grammar's terminals."""
        patterns = {t.name: t.pattern.to_regexp() for t in grammar.terminals}
        fixed = {t.pattern.value: t.name for t in grammar.terminals if isinstance(t.pattern, PatternStr)}
        keywords = {text: name for text, name in fixed.items() if text.isalpha()}
        signs = {text: name for text, name in fixed.items() if not text.isalpha()}
        groups = [f"(?P<{name}>{patterns[name]})" for name in _ORDER[:-1]]
        groups.append(r"(?P<FOREIGN_NAME>(?=\w*(?![\x00-\x7f])\w)[^\W\d]\w*)")
        groups.append(f"(?P<NAME>{patterns['NAME']})")
        groups += [f"(?P<{name}>{pattern})" for name, pattern in _LOOKALIKES]
        groups.append(f"(?P<SIGN>{'|'.join(re.escape(s) for s in sorted(signs, key=len, reverse=True))})")
        groups.append(r"(?P<ERROR>[^\sA-Za-z0-9_\"#(){}\[\],:=*.;'/\u201c\u201d\u201e]+|.)")
        return cls(re.compile("|".join(groups), re.DOTALL), keywords, signs)

    def lex(self, source: SourceFile, sink: Sink) -> Lexed:
        """All tokens of a file. Lookalikes are reported to the sink; ERROR tokens are left to the parser."""
        tokens: list[Token] = []
        comments: list[Comment] = []
        faults: dict[int, Diagnostic] = {}
        for kind, start, end in self._matches(source.text):
            text = source.text[start:end]
            span = source.span(start, end)
            match kind:
                case "SPACE":
                    continue
                case "COMMENT":
                    comments.append(_comment(source, start, end))
                case "NAME":
                    tokens.append(_token(self.keywords.get(text, "NAME"), text, start, end))
                case "SIGN":
                    tokens.append(_token(self.signs[text], text, start, end))
                case "TEXT" | "NUMBER" | "LOW":
                    tokens.append(_token(kind, text, start, end))
                case "CURLY_TEXT" | "SINGLE_TEXT":
                    sink.add(errors.syntax.WrongQuotes(span, text))
                    tokens.append(_token("TEXT", f'"{text[1:-1]}"', start, end))
                case "OPEN_TEXT":
                    faults[start] = errors.syntax.UnclosedText(span)
                    tokens.append(_token(ERROR, text, start, end))
                case "SLASH_COMMENT":
                    sink.add(errors.syntax.ForeignComment(span, text[:2]))
                case "SEMICOLON":
                    sink.add(errors.syntax.StraySign(span, text))
                case "FOREIGN_SPACE":
                    sink.add(errors.syntax.ForeignSpace(span, ord(text[0])))
                case "FOREIGN_NAME":
                    sink.add(errors.syntax.ForeignName(span, text))
                    tokens.append(_token("NAME", text, start, end))
                case _:
                    faults[start] = errors.syntax.UnexpectedCharacter(span, text)
                    tokens.append(_token(ERROR, text, start, end))
        tokens.append(_token(END, "", len(source.text), len(source.text)))
        return Lexed(tuple(tokens), tuple(comments), faults)

    def _matches(self, text: str) -> Iterator[tuple[str, int, int]]:
        for match in self.pattern.finditer(text):
            yield str(match.lastgroup), match.start(), match.end()


def _token(kind: str, text: str, start: int, end: int) -> Token:
    return Token(kind, text, start_pos=start, end_pos=end)


def _comment(source: SourceFile, start: int, end: int) -> Comment:
    line, column = source.position(start)
    own_line = not source.line(line)[: column - 1].strip()
    text = source.text[start:end].rstrip()
    return Comment(text, own_line, source.span(start, start + len(text)))
