"""Whether a store agrees with itself; what lies on disk is another question."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from mosaic.catalog.store import rows, shapes, sums, whole
from mosaic.catalog.store.bulk import OF_EXPERT
from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic

if TYPE_CHECKING:
    import duckdb

_AT_ONCE: Final = 1000

_CHECKS: Final = (
    (
        "a file names a signature that is not there",
        "SELECT DISTINCT id FROM files JOIN experts ON number = expert"
        " WHERE signature <> '' AND signature NOT IN (SELECT digest FROM signatures)",
    ),
    ("it has no file", "SELECT id FROM experts WHERE number NOT IN (SELECT expert FROM files)"),
    (
        "its digest is not that of its files",
        "SELECT id FROM experts JOIN ("
        " SELECT expert, string_agg(line, chr(10) ORDER BY line) AS manifest FROM ("
        "  SELECT expert, concat_ws(' ', role, name, sha256) AS line FROM files) GROUP BY expert"
        ") ON number = expert WHERE sha256(manifest) <> digest",
    ),
    ("an alias of it is another's id", "SELECT alias FROM aliases JOIN experts ON experts.id = alias"),
    ("an id is there twice", "SELECT id FROM experts GROUP BY id HAVING count(*) > 1"),
    ("a digest is there twice", "SELECT any_value(id) FROM experts GROUP BY digest HAVING count(*) > 1"),
    (
        "it is in no search",
        "SELECT id FROM experts WHERE length > 0 AND number NOT IN (SELECT expert FROM postings)",
    ),
)
"""What would be wrong, and the ids of whom."""


def verify(connection: duckdb.DuckDBPyConnection, place: str) -> list[Diagnostic]:
    """Everything that contradicts itself."""
    return [
        errors.catalog.CatalogInconsistent(None, place, what, experts)
        for what, experts in (
            *_dangling(connection),
            *_asked(connection),
            *_signatures(connection),
            *_contents(connection),
        )
    ]


Fault = tuple[str, tuple[str, ...]]


def _asked(connection: duckdb.DuckDBPyConnection) -> Iterator[Fault]:
    for what, query in _CHECKS:
        found = tuple(sorted(id for (id,) in connection.execute(query).fetchall()))
        if found:
            yield f"{what}: {_named(found)}", found


def _dangling(connection: duckdb.DuckDBPyConnection) -> Iterator[Fault]:
    for table in OF_EXPERT:
        query = f"SELECT count(*) FROM {table} WHERE expert NOT IN (SELECT number FROM experts)"
        row = connection.execute(query).fetchone()
        if row is not None and row[0]:
            yield f"{row[0]} rows of `{table}` belong to no expert", ()


def _signatures(connection: duckdb.DuckDBPyConnection) -> Iterator[Fault]:
    for digest, content in connection.execute(
        "SELECT digest, content FROM signatures ORDER BY digest"
    ).fetchall():
        try:
            sound = shapes.unpack(content).digest == digest
        except rows.Damaged:
            sound = False
        if not sound:
            yield f"the signature {digest[:12]} is not what its digest says", ()


def _contents(connection: duckdb.DuckDBPyConnection) -> Iterator[Fault]:
    """Recompute what the catalog's digest is made of."""
    rows_ = connection.execute("SELECT number, id, content FROM experts ORDER BY id").fetchall()
    contents = [content for _, _, content in rows_]
    contents += [content for (content,) in connection.execute("SELECT content FROM edges").fetchall()]
    if sums.changed(sums.EMPTY, (), contents) != sums.read(connection):
        yield "its digest is not that of its entries", ()
    wrong: list[str] = []
    for start in range(0, len(rows_), _AT_ONCE):
        wrong += _wrong(connection, rows_[start : start + _AT_ONCE])
    if wrong:
        yield f"what is kept is not what was put: {_named(tuple(wrong))}", tuple(wrong)


def _wrong(connection: duckdb.DuckDBPyConnection, part: list[tuple[int, str, str]]) -> list[str]:
    try:
        records = whole.records(connection, [number for number, _, _ in part])
    except (rows.Damaged, ValueError):
        if len(part) == 1:
            return [part[0][1]]
        half = len(part) // 2
        return [*_wrong(connection, part[:half]), *_wrong(connection, part[half:])]
    return [
        id
        for (_, id, content), record in zip(part, records, strict=True)
        if rows.content_of(record, id, record.aliases) != content
    ]


def _named(ids: tuple[str, ...]) -> str:
    return ", ".join(f"`{id}`" for id in ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
