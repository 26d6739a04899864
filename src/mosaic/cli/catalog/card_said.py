"""Where those who speak of an expert disagree: every claim of such a key, with its evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mosaic.cli.catalog.texts import plain

if TYPE_CHECKING:
    from mosaic.catalog.record import Claim, Record

_MANY = ("triggers", "trigger", "tags", "title", "description", "base")
"""Keys of which several values are no disagreement, but more to know."""
_DEFAULT = "usual"
"""What is usual for a family is nobody's word against the tensors."""
_WORDS = {
    "header": "by its tensors",
    "shipped": "by the package's index",
    "declared": "by a person",
    "measured": "measured",
    "card": "by its card",
    "metadata": "by its metadata",
}


def disputed(record: Record) -> dict[str, list[Claim]]:
    """Claims by key, the one that holds first, of keys on which they differ."""
    by_key: dict[str, list[Claim]] = {}
    for claim in record.claims:
        if claim.key not in _MANY and not claim.source.startswith(_DEFAULT):
            by_key.setdefault(claim.key, []).append(claim)
    return {
        key: claims for key, claims in by_key.items() if len({_text(claim.value) for claim in claims}) > 1
    }


def lines(record: Record) -> Iterator[str]:
    """A line a claim: what is held to be so, and what else is said."""
    for key, claims in disputed(record).items():
        for number, claim in enumerate(claims):
            label = key.replace("_", " ") if number == 0 else ""
            mark = "kept" if number == 0 else "    "
            source = f" ({plain(claim.source, 60)})" if claim.source else ""
            evidence = _WORDS.get(str(claim.evidence), str(claim.evidence))
            yield f"  {label:<12}  {mark}  {plain(_text(claim.value), 60)}  {evidence}{source}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
