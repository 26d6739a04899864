"""Applying the fixes that diagnostics offer."""

from __future__ import annotations

from collections.abc import Iterable

from mosaic.compiler.diagnostic import Edit, Fix


def apply_fixes(text: str, fixes: Iterable[Fix]) -> str:
    """The text with every fix applied that does not collide with one before it.

    A fix is applied wholly or not at all. All edits must belong to the file of the text. Equal edits of two fixes
    count once; two different insertions at one place collide, because their order would be a guess.
    """
    taken: list[Edit] = []
    for fix in fixes:
        fresh = [edit for edit in fix.edits if edit not in taken]
        if not any(_collide(edit, other) for edit in fresh for other in taken):
            taken.extend(fresh)
    for edit in sorted(taken, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    return text


def _collide(one: Edit, other: Edit) -> bool:
    if one.span.start == other.span.start:
        return True
    first, second = sorted((one, other), key=lambda edit: edit.span.start)
    return second.span.start < first.span.end
