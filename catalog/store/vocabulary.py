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
_TITLE: Final = 3.0
"""The least weight of a word of a title or trigger."""
_VECTOR: Final = 2000  # experts of a word that are compared
_COMPARED: Final = 64  # names that stand beside it most often
_NEAREST: Final = 4
_LEAST: Final = 0.2  # cosine
_SAMPLE: Final = 48
"""Experts by which a word is judged, those that it weighs most in."""


@dataclass(frozen=True)
class Use:
    """How a catalog uses a word. `categories` are counts among the experts that it names, at most 48 of them; "" is
    an expert without a category."""

    term: str  # in its normal form
    experts: int  # that say it anywhere
    named: int  # that are named by it
    categories: Mapping[str, int]


@dataclass(frozen=True)
class Near:
    """A name that stands near to a word, and how near, 0..1."""

    term: str
    cosine: float


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
    categories: dict[int, dict[str, int]] = {}
    for term, facts in connection.execute(
        f"""
        SELECT best.term, experts.facts FROM (
            SELECT term, expert FROM postings WHERE term IN ({listed}) AND weight >= {_NAMING}
            QUALIFY row_number() OVER (PARTITION BY term ORDER BY weight DESC, expert) <= {_SAMPLE}
        ) AS best JOIN experts ON experts.number = best.expert"""
    ).fetchall():
        _count(categories.setdefault(int(term), {}), str(json.loads(facts).get("category", "")))
    return {
        word: Use(term, *counts.get(number, (0, 0)), dict(categories.get(number, {})))
        for word, term in normal.items()
        if (number := numbers.get(term)) is not None
    }


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


def named(connection: duckdb.DuckDBPyConnection, words: Sequence[str]) -> frozenset[str]:
    """Those of some words, in normal form, that any expert is called by."""
    query = f"""
        SELECT DISTINCT terms.term FROM postings JOIN terms ON terms.number = postings.term
        WHERE weight >= {_NAMING} AND terms.term IN"""
    return frozenset(str(term) for (term,) in matching(connection, query, dict.fromkeys(words)))


def pairs(
    connection: duckdb.DuckDBPyConnection, asked: Sequence[tuple[str, str]]
) -> frozenset[tuple[str, str]]:
    """Those of some pairs of words, in normal form, that name one expert together."""
    words = dict.fromkeys(word for pair in asked for word in pair)
    numbers = {
        term: int(number)
        for number, term in matching(connection, "SELECT number, term FROM terms WHERE term IN", words)
    }
    known = [(a, b) for a, b in dict.fromkeys(asked) if a in numbers and b in numbers]
    if not known:
        return frozenset()
    query = f"""
        SELECT DISTINCT one.term, other.term FROM postings AS one JOIN postings AS other USING (expert)
        JOIN (SELECT unnest($1::INTEGER[]) AS a, unnest($2::INTEGER[]) AS b) ON one.term = a AND other.term = b
        WHERE one.weight >= {_TITLE} AND other.weight >= {_TITLE} AND one.term IN ({_numbers(known, numbers, 0)})
        AND other.term IN ({_numbers(known, numbers, 1)})"""
    rows = connection.execute(
        query, [[numbers[a] for a, _ in known], [numbers[b] for _, b in known]]
    ).fetchall()
    met = {(int(a), int(b)) for a, b in rows}
    return frozenset((a, b) for a, b in known if (numbers[a], numbers[b]) in met)


def _numbers(known: Sequence[tuple[str, str]], numbers: Mapping[str, int], place: int) -> str:
    return ", ".join(str(numbers[pair[place]]) for pair in known)


def related(connection: duckdb.DuckDBPyConnection, words: Sequence[str]) -> dict[str, tuple[Near, ...]]:
    """For each word those names that stand nearest to it, the nearest first.

    A word's vector has a place for each expert, 1 where the expert says it; nearness is the cosine of two vectors.
    Only names are compared: what experts are called says what they are, what is told of them may say anything.
    """
    found: dict[str, tuple[Near, ...]] = {}
    for word in dict.fromkeys(words):
        normal = terms.words(word)
        near = _nearest(connection, normal[0]) if len(normal) == 1 else ()
        if near:
            found[word] = near
    return found


def _nearest(connection: duckdb.DuckDBPyConnection, term: str) -> tuple[Near, ...]:
    query = f"""
        WITH own AS (
            SELECT expert FROM postings WHERE term = (SELECT number FROM terms WHERE term = $1) LIMIT {_VECTOR}
        ), beside AS (
            SELECT term, count(*) AS met FROM postings
            WHERE expert IN (SELECT expert FROM own) AND weight >= {_NAMING} GROUP BY term
            ORDER BY met DESC, term LIMIT {_COMPARED}
        ), sizes AS (
            SELECT term, count(*) AS size FROM postings WHERE term IN (SELECT term FROM beside) GROUP BY term
        )
        SELECT terms.term, round(met / sqrt(size * (SELECT count(*) FROM own)), 4) AS cosine
        FROM beside JOIN sizes USING (term) JOIN terms ON terms.number = beside.term
        WHERE terms.term <> $1 ORDER BY cosine DESC, terms.term LIMIT {_NEAREST}"""
    rows = connection.execute(query, [term]).fetchall()
    return tuple(Near(str(name), float(cosine)) for name, cosine in rows if cosine >= _LEAST)
