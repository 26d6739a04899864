"""The schema in numbered SQL files, and how a store gets from one to the next."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from mosaic.catalog.store.engine import duckdb
from mosaic.compiler import errors
from mosaic.compiler.diagnostic import MosaicError

Migrations = tuple[tuple[int, str], ...]

KNOWN: Final = 1
"""The schema that this version reads and writes; the number of the last file."""

_VERSIONS: Final = "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, name VARCHAR NOT NULL)"


@cache
def shipped() -> Migrations:
    """Every migration as (number, SQL), in order."""
    found = [entry for entry in files("mosaic.catalog.store").joinpath("schema").iterdir()]
    scripts = sorted((entry.name, entry) for entry in found if entry.name.endswith(".sql"))
    return tuple((int(name.partition("_")[0]), entry.read_text(encoding="utf-8")) for name, entry in scripts)


def version(connection: duckdb.DuckDBPyConnection, place: str = "memory") -> int:
    """The schema that a store has; 0 for an empty database. Raises MosaicError (M831) for other people's tables."""
    tables = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
    if not tables:
        return 0
    if "schema_version" not in tables:
        raise MosaicError(errors.catalog.CatalogBroken(None, place, "it holds other tables than a catalog's"))
    row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def check(connection: duckdb.DuckDBPyConnection, place: str, known: int = KNOWN) -> None:
    """Raises MosaicError where the store's schema is not the known one: M831 (no catalog), M833, M834."""
    # Every reader asks: the list of all tables costs ten times this question.
    told = _asked(connection)
    found = version(connection, place) if told is None else told
    if found == 0:
        raise MosaicError(errors.catalog.CatalogBroken(None, place, "it holds no tables of a catalog"))
    if found > known:
        raise MosaicError(errors.catalog.CatalogNewer(None, place, found, known))
    if found < known:
        raise MosaicError(errors.catalog.CatalogOlder(None, place, found, known))


def _asked(connection: duckdb.DuckDBPyConnection) -> int | None:
    try:
        row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    except duckdb.CatalogException:
        return None
    return int(row[0]) if row and row[0] is not None else None


def migrate(
    connection: duckdb.DuckDBPyConnection, place: str = "memory", scripts: Migrations | None = None
) -> None:
    """Bring a store to the newest schema in one transaction: afterwards it has that, or what it had before.

    Raises MosaicError (M833) where it is newer already.
    """
    steps = shipped() if scripts is None else scripts
    last = steps[-1][0]
    connection.begin()
    try:
        found = version(connection, place)
        if found > last:
            raise MosaicError(errors.catalog.CatalogNewer(None, place, found, last))
        if found == 0:
            connection.execute(_VERSIONS)
        for number, script in steps:
            if number > found:
                connection.execute(script)
                connection.execute("INSERT INTO schema_version VALUES ($1, $2)", [number, f"{number:03}"])
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
