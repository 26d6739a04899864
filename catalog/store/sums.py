"""The digest of a whole catalog, kept up to date entry by entry.

The catalog's content is a set: experts and the relations between them. Each entry has a SHA-256 over what it
says, locations left out; their sum modulo 2^256 does not depend on the order in which they came and changes with
each that comes or goes, so it is updated in the transaction that changes the entry. The digest is the SHA-256 of
that sum and the number of entries. (The sum alone guards against accident, not against somebody who makes entries
to order; a snapshot's files each have a digest of their own.)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import duckdb

_KEY: Final = "sum"
_MODULUS: Final = 1 << 256
EMPTY: Final = (0, 0)

Sum = tuple[int, int]


def content(*parts: Any) -> str:
    """64 hex digits over plain JSON values."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def changed(sum_: Sum, gone: Iterable[str], come: Iterable[str]) -> Sum:
    """The sum without some entries and with others, all as hex digits."""
    total, count = sum_
    for entry in gone:
        total, count = total - int(entry, 16), count - 1
    for entry in come:
        total, count = total + int(entry, 16), count + 1
    return total % _MODULUS, count


def digest(sum_: Sum) -> str:
    """64 hex digits that stand for the whole catalog."""
    return hashlib.sha256(f"mosaic catalog 1 {sum_[0]:064x} {sum_[1]}".encode()).hexdigest()


def read(connection: duckdb.DuckDBPyConnection) -> Sum:
    """What is kept."""
    row = connection.execute("SELECT value FROM meta WHERE key = $1", [_KEY]).fetchone()
    if row is None:
        return EMPTY
    total, _, count = row[0].partition(" ")
    return int(total, 16), int(count)


def write(connection: duckdb.DuckDBPyConnection, sum_: Sum) -> None:
    """Keep another."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES ($1, $2)", [_KEY, f"{sum_[0]:064x} {sum_[1]}"])
