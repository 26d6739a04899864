"""What a store holds, counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mosaic.catalog.record import FileState
from mosaic.catalog.store import migrations, rows, sums
from mosaic.catalog.store.bulk import matching
from mosaic.catalog.store.values import Stats

if TYPE_CHECKING:
    import duckdb


def stats(connection: duckdb.DuckDBPyConnection, stored: int) -> Stats:
    """Everything that is countable; `stored` is the size of the catalog itself in bytes."""

    def number(query: str) -> int:
        row = connection.execute(query).fetchone()
        return int(row[0] or 0) if row else 0

    def groups(column: str, table: str = "experts") -> tuple[tuple[str, int], ...]:
        query = (
            f"SELECT coalesce({column}, '') AS name, count(*) FROM {table} GROUP BY name ORDER BY 2 DESC, 1"
        )
        return tuple((str(name), int(count)) for name, count in connection.execute(query).fetchall())

    return Stats(
        experts=number("SELECT count(*) FROM experts"),
        files=number("SELECT count(DISTINCT sha256) FROM files"),
        size=number(
            "SELECT sum(size) FROM (SELECT sha256, any_value(size) AS size FROM files GROUP BY sha256)"
        ),
        kinds=groups("kind"),
        families=groups("family"),
        licenses=groups("license"),
        ratings=groups("rating"),
        signatures=number("SELECT count(*) FROM signatures"),
        coverages=number("SELECT count(*) FROM coverages"),
        edges=number("SELECT count(*) FROM edges"),
        capabilities=number("SELECT count(*) FROM capabilities"),
        schema=migrations.version(connection),
        digest=sums.digest(sums.read(connection)),
        stored=stored,
    )


def known(connection: duckdb.DuckDBPyConnection, paths: Iterable[str]) -> dict[str, FileState]:
    """How the files at some places looked when they were catalogued."""
    query = "SELECT location, size, mtime_ns, ctime_ns, inode, device FROM locations WHERE location IN"
    found = {}
    for location, *columns in matching(connection, query, dict.fromkeys(map(rows.stored_path, paths))):
        state = rows.state_of(columns)
        if state is not None:
            found[rows.path_of(location)] = state
    return found
