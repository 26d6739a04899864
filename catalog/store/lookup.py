"""Questions about single experts: by name, by digest, with all that is known."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mosaic.catalog.index import PACKAGE, locate
from mosaic.catalog.record import FileState, StoredFile
from mosaic.catalog.store import rows
from mosaic.catalog.store.bulk import matching
from mosaic.compiler.facts import ExpertFacts, FileFact
from mosaic.compiler.types import Kind

if TYPE_CHECKING:
    import duckdb

_FILES: Final = (
    "SELECT expert, position, role, name, sha256, tensors_sha256, autov3, blake3, size, width, height, signature"
    " FROM files WHERE expert IN"
)
_PLACES: Final = (
    "SELECT expert, copy, position, location, size, mtime_ns, ctime_ns, inode, device"
    " FROM locations WHERE expert IN"
)

Place = tuple[str, FileState | None]


def number_of(connection: duckdb.DuckDBPyConnection, reference: str) -> int | None:
    """The expert of an id, or else of an alias."""
    if not rows.is_unicode(reference):
        return None
    for query in ("SELECT number FROM experts WHERE id = $1", "SELECT expert FROM aliases WHERE alias = $1"):
        row = connection.execute(query, [reference]).fetchone()
        if row is not None:
            return int(row[0])
    return None


def numbers_by_digest(connection: duckdb.DuckDBPyConnection, start: str, limit: int = 50) -> list[int]:
    """Experts whose own digest, or a file's by any of its kinds, begins so; sorted by id."""
    if not start.isalnum() or not start.isascii():
        return []
    query = """
        SELECT number FROM experts WHERE starts_with(digest, $1) OR number IN (
            SELECT expert FROM files WHERE starts_with(sha256, $1) OR starts_with(tensors_sha256, $1)
                OR starts_with(autov3, $1) OR starts_with(blake3, $1))
        ORDER BY id LIMIT $2"""
    return [int(number) for (number,) in connection.execute(query, [start.lower(), limit]).fetchall()]


def facts(connection: duckdb.DuckDBPyConnection, numbers: Sequence[int]) -> list[ExpertFacts]:
    """The facts of experts, in the order of their numbers as given."""
    texts = dict(
        matching(connection, "SELECT number, facts FROM experts WHERE number IN", numbers, "INTEGER")
    )
    files = stored_files(connection, numbers)
    return [
        rows.facts_of(texts[number], (file.fact for file in files.get(number, ())))
        for number in numbers
        if number in texts
    ]


def bridges(connection: duckdb.DuckDBPyConnection, source: str, target: str) -> list[ExpertFacts]:
    """The bridges from one latent space into another, sorted by id. The space of a bridge is the one it leads into."""
    query = "SELECT number FROM experts WHERE kind = $1 AND space = $2 ORDER BY id"
    numbers = [int(n) for (n,) in connection.execute(query, [Kind.BRIDGE.value, target]).fetchall()]
    found = facts(connection, numbers)
    return [each for each in found if each.bridge is not None and each.bridge.source == source]


def places(
    connection: duckdb.DuckDBPyConnection, numbers: Sequence[int]
) -> dict[tuple[int, int], list[Place]]:
    """Where the files of experts lie, by (expert, position), the first copy first."""
    found: dict[tuple[int, int], list[Place]] = {}
    for expert, _, position, location, *state in sorted(
        matching(connection, _PLACES, numbers, "INTEGER"), key=lambda row: row[:3]
    ):
        found.setdefault((expert, position), []).append((rows.path_of(location), rows.state_of(state)))
    return found


@dataclass(frozen=True)
class Card:
    """An expert as a plan asks for it, again and again: read once. `shape` is that of `memo`."""

    number: int
    shape: str
    digest: str
    facts: ExpertFacts
    places: Mapping[tuple[int, int], Sequence[Place]]


def card(connection: duckdb.DuckDBPyConnection, reference: str) -> Card | None:
    """An expert by id or alias."""
    number = number_of(connection, reference)
    if number is None:
        return None
    row = connection.execute(
        "SELECT shape, digest, facts FROM experts WHERE number = $1", [number]
    ).fetchone()
    if row is None:
        return None
    where = places(connection, [number])
    files = _files(connection, [number], where).get(number, ())
    facts = rows.facts_of(row[2], (file.fact for file in files))
    return Card(number, row[0], row[1], facts, where)


def integrity(card: Card) -> str:
    """Whether an expert's files look as they did: "", "changed" or "missing"; of several copies, the best counts."""
    worst = ""
    for copies in card.places.values():
        looks = [_look(place) for place in copies]
        best = min(looks, key=_BAD.index)
        worst = max(worst, best, key=_BAD.index)
    return worst


_BAD: Final = ("", "changed", "missing")


def _look(place: Place) -> str:
    location, state = place
    if location.startswith(PACKAGE):
        return ""
    try:
        stat = os.stat(locate(location))
    except (OSError, ValueError):
        return "missing"
    if state is None:
        return ""
    now = FileState(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev)
    return "" if now == state else "changed"


def stored_files(
    connection: duckdb.DuckDBPyConnection, numbers: Sequence[int]
) -> dict[int, list[StoredFile]]:
    """The files of experts, each where it is at hand."""
    return _files(connection, numbers, places(connection, numbers))


def _files(
    connection: duckdb.DuckDBPyConnection,
    numbers: Sequence[int],
    where: Mapping[tuple[int, int], Sequence[Place]],
) -> dict[int, list[StoredFile]]:
    found: dict[int, list[StoredFile]] = {}
    for row in sorted(matching(connection, _FILES, numbers, "INTEGER"), key=lambda row: row[:2]):
        (
            expert,
            position,
            role,
            name,
            sha256,
            tensors_sha256,
            autov3,
            blake3,
            size,
            width,
            height,
            signature,
        ) = row
        location, state = _present(where.get((expert, position), []))
        fact = FileFact(
            role=role,
            sha256=sha256,
            size=size,
            location=location,
            name=name,
            pixels=None if width is None else (width, height),
            tensors_sha256=tensors_sha256,
            blake3=blake3,
            autov3=autov3,
        )
        found.setdefault(expert, []).append(StoredFile(fact, signature, state))
    return found


def _present(copies: Sequence[Place]) -> Place:
    """The first copy that is there, or else the first."""
    if len(copies) > 1:
        for place in copies:
            if _look(place) != "missing":
                return place
    return copies[0] if copies else ("", None)


def by_reference(connection: duckdb.DuckDBPyConnection, reference: str) -> int | None:
    """The expert of an id, an alias, or `sha256:` and the beginning of the digest of one expert alone."""
    if not reference.lower().startswith("sha256:"):
        return number_of(connection, reference)
    found = numbers_by_digest(connection, reference.partition(":")[2], 2)
    return found[0] if len(found) == 1 else None
