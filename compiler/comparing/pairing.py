"""Which part of one version is which of the other: in order for steps and fusions, by likeness for what has none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import TypeVar

T = TypeVar("T")

Likeness = Callable[[T, T], float]
"""How much two parts have in common; 0: they are not the same part."""


def in_order(old: Sequence[T], new: Sequence[T], likeness: Likeness[T]) -> list[tuple[T | None, T | None]]:
    """The alignment of two sequences that has most in common: pairs, with None where a part has no counterpart.

    Of several that are equally good, the one that pairs the later parts: what is added comes first.

    >>> in_order("abd", "acd", lambda one, other: float(one == other))
    [('a', 'a'), ('b', None), (None, 'c'), ('d', 'd')]
    """
    rows, columns = len(old), len(new)
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for i, j in product(range(1, rows + 1), range(1, columns + 1)):
        like = likeness(old[i - 1], new[j - 1])
        paired = best[i - 1][j - 1] + like if like > 0 else -1.0
        best[i][j] = max(paired, best[i - 1][j], best[i][j - 1])
    found: list[tuple[T | None, T | None]] = []
    i, j = rows, columns
    while i or j:
        like = likeness(old[i - 1], new[j - 1]) if i and j else 0.0
        if like > 0 and best[i][j] == best[i - 1][j - 1] + like:
            i, j = i - 1, j - 1
            found.append((old[i], new[j]))
        elif j and best[i][j] == best[i][j - 1]:
            j -= 1
            found.append((None, new[j]))
        else:
            i -= 1
            found.append((old[i], None))
    return found[::-1]


def by_likeness(
    old: Sequence[T], new: Sequence[T], likeness: Likeness[T]
) -> list[tuple[int | None, int | None]]:
    """Pairs of places, the most alike first taken, then those of both sides that have no counterpart; in the order of
    the old side, what is added last."""
    scored = [
        (-likeness(one, other), i, j) for (i, one), (j, other) in product(enumerate(old), enumerate(new))
    ]
    pairs: dict[int, int] = {}
    for score, i, j in sorted(scored):
        if score < 0 and i not in pairs and j not in pairs.values():
            pairs[i] = j
    found: list[tuple[int | None, int | None]] = [(i, pairs.get(i)) for i in range(len(old))]
    return found + [(None, j) for j in range(len(new)) if j not in pairs.values()]


def share(old: Sequence[object], new: Sequence[object]) -> float:
    """How much two collections have in common, of 1: what is in both, as a share of what is in either."""
    left = list(new)
    common = 0
    for each in old:
        if each in left:
            left.remove(each)
            common += 1
    every = len(old) + len(new) - common
    return common / every if every else 1.0
