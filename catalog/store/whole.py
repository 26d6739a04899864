"""Whole records out of a store, many at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from mosaic.catalog.record import Claim, Edge, Evidence, Record, Score, Signature
from mosaic.catalog.store import lookup, rows, shapes
from mosaic.catalog.store.bulk import matching

if TYPE_CHECKING:
    import duckdb

_EXPERTS: Final = "SELECT number, digest, facts, description, author FROM experts WHERE number IN"
_CLAIMS: Final = "SELECT expert, position, key, value, evidence, source FROM claims WHERE expert IN"
_TAGS: Final = "SELECT expert, position, tag FROM tags WHERE expert IN"
_ALIASES: Final = "SELECT expert, alias, alias FROM aliases WHERE expert IN"
_SCORES: Final = "SELECT expert, position, name, share, low, high, n FROM capabilities WHERE expert IN"
_EDGES: Final = "SELECT first, relation, second, value FROM edges WHERE first IN"

Row = tuple[Any, ...]


def records(connection: duckdb.DuckDBPyConnection, numbers: Sequence[int]) -> list[Record]:
    """All that is known of experts, in the order of their numbers as given."""
    found = {row[0]: row[1:] for row in matching(connection, _EXPERTS, numbers, "INTEGER")}
    files = lookup.stored_files(connection, numbers)
    claims, tags, aliases, scores = (
        _by_expert(matching(connection, query, numbers, "INTEGER"))
        for query in (_CLAIMS, _TAGS, _ALIASES, _SCORES)
    )
    edges: dict[str, list[Row]] = {}
    for first, *edge in sorted(matching(connection, _EDGES, dict.fromkeys(row[0] for row in found.values()))):
        edges.setdefault(first, []).append(tuple(edge))
    of_all = [file for kept in files.values() for file in kept]
    signatures = read_signatures(connection, (file.signature for file in of_all if file.signature))
    texts = _texts(connection, (file.fact.sha256 for file in of_all))
    result = []
    for number in numbers:
        if number not in found:
            continue
        digest, facts, description, author = found[number]
        kept = tuple(files.get(number, ()))
        used = dict.fromkeys(file.signature for file in kept)
        hashes = dict.fromkeys(file.fact.sha256 for file in kept)
        result.append(
            Record(
                facts=rows.facts_of(facts, (file.fact for file in kept)),
                files=kept,
                claims=tuple(
                    Claim(key, json.loads(value), Evidence(evidence), source)
                    for key, value, evidence, source in claims.get(number, ())
                ),
                description=description,
                author=author,
                tags=tuple(tag for (tag,) in tags.get(number, ())),
                aliases=tuple(alias for (alias,) in aliases.get(number, ())),
                scores=tuple(Score(*row) for row in scores.get(number, ())),
                edges=tuple(
                    Edge(relation, digest, second, json.loads(value))
                    for relation, second, value in edges.get(digest, ())
                ),
                signatures={name: signatures[name] for name in used if name in signatures},
                texts={name: texts[name] for name in hashes if name in texts},
            )
        )
    return result


def read_signatures(connection: duckdb.DuckDBPyConnection, digests: Iterable[str]) -> dict[str, Signature]:
    """Signatures by digest; those that are not there are left out. Raises Damaged."""
    query = "SELECT digest, content FROM signatures WHERE digest IN"
    found = matching(connection, query, dict.fromkeys(digests))
    return {digest: shapes.unpack(content) for digest, content in found}


def _texts(connection: duckdb.DuckDBPyConnection, digests: Iterable[str]) -> dict[str, str]:
    query = "SELECT sha256, content FROM texts WHERE sha256 IN"
    found = matching(connection, query, dict.fromkeys(digests))
    return {digest: shapes.unpack_text(content) for digest, content in found}


def _by_expert(found: list[Row]) -> dict[int, list[Row]]:
    """Rows by their first column, in the order of their second, without both."""
    grouped: dict[int, list[Row]] = {}
    for expert, _, *rest in sorted(found, key=lambda row: row[:2]):
        grouped.setdefault(expert, []).append(tuple(rest))
    return grouped
