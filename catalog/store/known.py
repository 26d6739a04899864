"""The experts of a store that a batch of records touches, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mosaic.catalog.record import FileState, Record
from mosaic.catalog.store.bulk import matching
from mosaic.catalog.store.rows import path_of, state_of, stored_path

if TYPE_CHECKING:
    import duckdb

Copy = tuple[tuple[int, str, FileState | None], ...]
"""Where the files of one copy of an expert lie: position, path, state."""


@dataclass
class Known:
    """An expert while a batch is put. `record` is set where it is to be written anew."""

    number: int
    digest: str
    id: str
    content: str
    aliases: list[str] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    record: Record | None = None
    moved: bool = False  # its copies changed
    gone: bool = False
    new: bool = False
    facts: dict[str, Any] | None = None  # the record's, as JSON
    before: str = ""  # the content that the catalog's sum holds now


def copy_of(record: Record) -> Copy:
    """Where a record's files lie; empty where they are not at hand."""
    return tuple(
        (position, file.fact.location, file.state)
        for position, file in enumerate(record.files)
        if file.fact.location
    )


def paths(copy: Copy) -> frozenset[str]:
    """The places of a copy."""
    return frozenset(path for _, path, _ in copy)


def load(connection: duckdb.DuckDBPyConnection, records: Sequence[Record]) -> list[Known]:
    """The experts that have the content of a record, or a file where a record has one."""
    digests = dict.fromkeys(record.digest for record in records)
    places = dict.fromkeys(stored_path(path) for record in records for _, path, _ in copy_of(record))
    rows = matching(connection, "SELECT number FROM experts WHERE digest IN", digests)
    rows += matching(connection, "SELECT DISTINCT expert FROM locations WHERE location IN", places)
    return by_number(connection, dict.fromkeys(number for (number,) in rows))


def by_number(connection: duckdb.DuckDBPyConnection, numbers: Iterable[int]) -> list[Known]:
    """Experts with their copies and aliases, by number."""
    wanted = sorted(numbers)
    query = "SELECT number, digest, id, content FROM experts WHERE number IN"
    rows = sorted(matching(connection, query, wanted, "INTEGER"))
    found = {row[0]: Known(row[0], row[1], row[2], row[3], before=row[3]) for row in rows}
    for alias, number in sorted(
        matching(connection, "SELECT alias, expert FROM aliases WHERE expert IN", wanted, "INTEGER")
    ):
        found[number].aliases.append(alias)
    for number, copies in _copies(connection, wanted).items():
        found[number].copies = copies
    return list(found.values())


def _copies(connection: duckdb.DuckDBPyConnection, numbers: Sequence[int]) -> Mapping[int, list[Copy]]:
    query = (
        "SELECT expert, copy, position, location, size, mtime_ns, ctime_ns, inode, device"
        " FROM locations WHERE expert IN"
    )
    grouped: dict[int, dict[int, list[tuple[int, str, FileState | None]]]] = {}
    for expert, copy, position, location, *state in sorted(
        matching(connection, query, numbers, "INTEGER"), key=lambda row: row[:3]
    ):
        entry = (position, path_of(location), state_of(state))
        grouped.setdefault(expert, {}).setdefault(copy, []).append(entry)
    return {expert: [tuple(entries) for entries in copies.values()] for expert, copies in grouped.items()}
