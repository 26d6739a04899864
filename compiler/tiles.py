"""Where the pieces lie in which a picture is encoded or decoded."""

from __future__ import annotations

from math import ceil
from typing import Final

SHARED: Final = 4
"""Neighbours share one part in so many of a piece."""

Span = tuple[int, int]


def spans(size: int, piece: int) -> list[Span]:
    """Where pieces begin and end along a side: evenly, so that neighbours share a part in `SHARED` at least.

    >>> spans(16, 8)
    [(0, 8), (4, 12), (8, 16)]
    """
    if size <= piece:
        return [(0, size)]
    stride = max(1, piece - piece // SHARED)
    count = ceil((size - piece) / stride)
    starts = [round(number * (size - piece) / count) for number in range(count + 1)]
    return [(start, start + piece) for start in starts]
