"""Two texts compared word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from mosaic.compiler.comparing.changes import State

_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True)
class Run:
    """A stretch of text that is in both (same), in the old one (removed) or in the new one (added)."""

    state: State
    text: str


def runs(old: str, new: str) -> tuple[Run, ...]:
    """The way from one text to the other. What is removed stands before what is added in its place.

    >>> [(run.state.value, run.text) for run in runs("a blue cat", "a red cat")]
    [('same', 'a '), ('removed', 'blue'), ('added', 'red'), ('same', ' cat')]
    """
    return tuple(_runs(_TOKEN.findall(old), _TOKEN.findall(new)))


def _runs(old: list[str], new: list[str]) -> Iterator[Run]:
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for tag, i, j, k, m in _bridged(matcher.get_opcodes(), old):
        before, after = "".join(old[i:j]), "".join(new[k:m])
        if tag == "equal":
            yield Run(State.SAME, before)
            continue
        if before:
            yield Run(State.REMOVED, before)
        if after:
            yield Run(State.ADDED, after)


_Code = tuple[str, int, int, int, int]


def _bridged(codes: Sequence[_Code], old: list[str]) -> list[_Code]:
    """Without single spaces between changed words: `a [-b c-]{+d e+}` reads better than word for word."""
    found: list[_Code] = []
    for at, (tag, i, j, k, m) in enumerate(codes):
        between = 0 < at < len(codes) - 1
        joins = tag != "equal" or (between and not "".join(old[i:j]).strip())
        if found and joins and found[-1][0] != "equal":
            _, start, _, first, _ = found[-1]
            found[-1] = ("replace", start, j, first, m)
        else:
            found.append((tag, i, j, k, m))
    return found
