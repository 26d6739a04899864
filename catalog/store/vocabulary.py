"""How a catalog uses words: what it calls by them, and what stands beside them.

Words are those of `terms`. A word *names* an expert where it stands in its trigger, title, id, aliases or tags; in a
description it is only mentioned, and anybody may mention anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mosaic.catalog.store import terms
from mosaic.catalog.store.bulk import matching

if TYPE_CHECKING:
    import duckdb

_NAMING: Final = 2.0
"""The least weight of a word outside of a description, see `terms.WEIGHTS`."""
_SAMPLE: Final = 48
"""Experts by which a word is judged, those that it weighs most in."""


@dataclass(frozen=True)
class Use:
    """How a catalog uses a word. `kinds` and `categories` are counts among the experts that it names, at most 48 of
    them; "" is an expert without a category."""

    term: str  # in its normal form
    experts: int  # that say it anywhere
    named: int  # that are named by it
    kinds: Mapping[str, int]
    categories: Mapping[str, int]


def uses(connection: duckdb.DuckDBPyConnection, words: Sequence[str]) -> dict[str, Use]:
    """The uses of words, by the word as given; one that is several words in normal form, or that no expert says, is
    left out."""
    normal = {word: found[0] for word in words if len(found := terms.words(word)) == 1}
    numbers = {
        term: int(number)
        for number, term in matching(
            connection, "SELECT number, term FROM terms WHERE term IN", dict.fromkeys(normal.values())
        )
    }
    if not numbers:
        return {}
    listed = ", ".join(f"{number:d}" for number in numbers.values())
    counts = {
        int(term): (int(experts), int(named))
        for term, experts, named in connection.execute(
            f"SELECT term, count(*), count(*) FILTER (weight >= {_NAMING}) FROM postings"
            f" WHERE term IN ({listed}) GROUP BY term"
        ).fetchall()
    }
    kinds: dict[int, dict[str, int]] = {}
    categories: dict[int, dict[str, int]] = {}
    for term, kind, facts in connection.execute(
        f"""
        SELECT best.term, experts.kind, experts.facts FROM (
            SELECT term, expert FROM postings WHERE term IN ({listed}) AND weight >= {_NAMING}
            QUALIFY row_number() OVER (PARTITION BY term ORDER BY weight DESC, expert) <= {_SAMPLE}
        ) AS best JOIN experts ON experts.number = best.expert"""
    ).fetchall():
        _count(kinds.setdefault(int(term), {}), str(kind))
        _count(categories.setdefault(int(term), {}), str(json.loads(facts).get("category", "")))
    return {
        word: Use(
            term, *counts.get(number, (0, 0)), dict(kinds.get(number, {})), dict(categories.get(number, {}))
        )
        for word, term in normal.items()
        if (number := numbers.get(term)) is not None
    }


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1
