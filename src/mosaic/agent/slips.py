"""Slips of the pen."""

from __future__ import annotations


def is_near(first: str, second: str) -> bool:
    """Whether two words of five letters or more differ by one letter more, less, other, or two that are swapped."""
    if min(len(first), len(second)) < 5 or abs(len(first) - len(second)) > 1 or first[0] != second[0]:
        return False
    short, long = sorted((first, second), key=len)
    start = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) != len(long):
        return short[start:] == long[start + 1 :]
    if short[start + 1 :] == long[start + 1 :]:
        return True
    swapped = short[start : start + 2] == long[start : start + 2][::-1]
    return swapped and short[start + 2 :] == long[start + 2 :]
