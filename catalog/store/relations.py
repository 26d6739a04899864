"""Relations between experts, and what used them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from mosaic.catalog.edges import RELATION, from_json, to_json
from mosaic.catalog.store import rows, sums
from mosaic.compiler.facts import Interference

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb


_FEW: Final = 10_000
"""Pairs that are read at once: a plan asks for every pair of its experts, and a question takes longer than a row."""

Pairs = Mapping[tuple[str, str], Interference]


def pairs(connection: duckdb.DuckDBPyConnection) -> Pairs | None:
    """All pairs that were measured, by sorted digests; None where there are too many to hold."""
    rows = connection.execute(
        "SELECT first, second, value FROM edges WHERE relation = $1 LIMIT $2", [RELATION, _FEW + 1]
    ).fetchall()
    if len(rows) > _FEW:
        return None
    return {_sorted(first, second): from_json(json.loads(value)) for first, second, value in rows}


def interference(
    connection: duckdb.DuckDBPyConnection, held: Pairs | None, first: str, second: str
) -> Interference | None:
    """How two adapters, by digest, meet; the order does not matter. `held` are all `pairs`, where they are few."""
    if held is not None:
        return held.get(_sorted(first, second))
    row = connection.execute(
        "SELECT value FROM edges WHERE relation = $1"
        " AND ((first = $2 AND second = $3) OR (first = $3 AND second = $2)) LIMIT 1",
        [RELATION, first, second],
    ).fetchone()
    return from_json(json.loads(row[0])) if row is not None else None


def _sorted(first: str, second: str) -> tuple[str, str]:
    return (first, second) if first <= second else (second, first)


def put_interference(
    connection: duckdb.DuckDBPyConnection, first: str, second: str, value: Interference
) -> None:
    """Keep it, in an open transaction; it is the same in both directions."""
    from mosaic.catalog.store import writing  # questions need none of it

    one, two = sorted((first, second))
    content = to_json(value)
    edge = (rows.dumps(content), sums.content("edge", RELATION, one, two, content))
    total = writing.put_edges(connection, {(RELATION, one, two): edge}, sums.read(connection))
    sums.write(connection, total)


def use(
    connection: duckdb.DuckDBPyConnection, digests: Sequence[str], place: str, action: str, at: datetime
) -> None:
    """Note what used experts."""
    connection.execute(
        "INSERT INTO usage SELECT unnest($1::VARCHAR[]), $2, $3, $4",
        [list(digests), rows.plain(place), action, at],
    )
