"""SPDX expressions taken apart: ids joined by AND, OR and WITH, and brackets.

The grammar is that of SPDX 2.3, annex D; WITH binds tighter than AND, AND tighter than OR.
"""

from __future__ import annotations

import re
from math import prod
from typing import Final

Choices = list[tuple[str, ...]]

_LONGEST: Final = 1000
"""Characters of an expression."""
_BRACKETS: Final = 50
"""Of an expression: a bound on how deep they stand."""
_MOST: Final = 64
"""Choices that one expression may leave. What leaves more was made to be long, not to be used."""
_WORDS: Final = ("AND", "OR", "WITH", "(", ")")


class NoExpression(ValueError):
    """The words make no expression."""


def split(text: str) -> list[str]:
    """Operands and operators in order; operators in capitals, several words of an operand kept together."""
    parts = re.split(r"(?i)(?<=\s)(and|or|with)(?=\s)|([()])", f" {text} ")
    words = [" ".join(part.split()) for part in parts if part and part.strip()]
    return [word.upper() if word.upper() in _WORDS else word for word in words]


def choices(text: str) -> Choices:
    """An expression as choices (OR) of ids that hold together (AND); an exception (WITH) only adds permissions.

    What is no expression gives none.
    """
    try:
        return (
            [tuple(dict.fromkeys(choice)) for choice in parse(split(text))] if len(text) <= _LONGEST else []
        )
    except NoExpression:
        return []


def parse(words: list[str]) -> Choices:
    """The choices that operands and operators make. Raises NoExpression."""
    if words.count("(") > _BRACKETS:
        raise NoExpression("too many brackets")
    rest = list(reversed(words))
    found = _or(rest)
    if rest:
        raise NoExpression(rest[-1])
    return found


def joined(words: list[str]) -> str:
    """The usual spelling."""
    return " ".join(words).replace("( ", "(").replace(" )", ")")


def _or(rest: list[str]) -> Choices:
    found = _and(rest)
    while rest and rest[-1] == "OR":
        rest.pop()
        found = found + _and(rest)
    return found


def _and(rest: list[str]) -> Choices:
    found = _operand(rest)
    while rest and rest[-1] == "AND":
        rest.pop()
        other = _operand(rest)
        if prod((len(found), len(other))) > _MOST:
            raise NoExpression("too many choices")
        found = [one + two for one in found for two in other]
    return found


def _operand(rest: list[str]) -> Choices:
    word = rest.pop() if rest else ")"
    if word == "(":
        found = _or(rest)
        if not rest or rest.pop() != ")":
            raise NoExpression("a bracket is not closed")
        return found
    if word in _WORDS:
        raise NoExpression(word)
    if rest and rest[-1] == "WITH":
        rest.pop()
        if not rest or rest.pop() in _WORDS:
            raise NoExpression("WITH")
    return [(word,)]
