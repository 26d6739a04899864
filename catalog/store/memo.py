"""How adapters meet bases, computed once from signatures and kept: checking a plan then reads no header."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from mosaic.catalog.coverage import Open, ReadText, coverage, tensors
from mosaic.catalog.store import lookup, shapes
from mosaic.catalog.store.bulk import insert, matching
from mosaic.catalog.store.rows import dumps
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.facts import Coverage, FileFact
from mosaic.compiler.types import Kind
from mosaic.compiler.weights.header import Header

if TYPE_CHECKING:
    import duckdb

AT_ONCE: Final = 64
"""Pairs that one batch computes; the others are computed when a plan needs them."""

# One representative of each shape is enough.
_MISSING: Final = """
    WITH bases AS (
        SELECT family, shape, min(number) AS number FROM experts
        WHERE kind = 'checkpoint' AND family IS NOT NULL AND shape <> '' GROUP BY ALL
    ), adapters AS (
        SELECT family, shape, min(number) AS number FROM experts
        WHERE kind IN ('lora', 'embedding', 'vae') AND family IS NOT NULL AND shape <> '' GROUP BY ALL
    )
    SELECT bases.shape, bases.number, adapters.shape, adapters.number
    FROM bases JOIN adapters USING (family)
    WHERE (list_contains($2::VARCHAR[], bases.shape) OR list_contains($2::VARCHAR[], adapters.shape))
    AND NOT EXISTS (
        FROM coverages WHERE coverages.base = bases.shape AND coverages.shape = adapters.shape)
    ORDER BY adapters.number DESC, bases.number DESC LIMIT $1"""


Result = tuple[str, str, bool, str]
"""The shapes of a base and of an adapter, whether it is complete, and the coverage as JSON."""

KEPT: Final = (Kind.LORA, Kind.EMBEDDING, Kind.VAE)
"""What is held against a base."""

_NEVER: Final = (True, "")
_LONGEST: Final = 2000
"""Characters of a result that is kept."""


class Signatures:
    """Headers and texts out of a store, each read once."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._headers: dict[str, Header | None] = {}

    def header(self, sha256: str) -> Header | None:
        """A file's tensors, or None where the store does not know them."""
        if not sha256:
            return None  # many files may lack a digest
        query = "SELECT signature FROM files WHERE sha256 = $1 AND signature <> '' LIMIT 1"
        row = self._connection.execute(query, [sha256]).fetchone()
        if row is None:
            return None
        digest = str(row[0])
        if digest not in self._headers:
            found = self._connection.execute(
                "SELECT content FROM signatures WHERE digest = $1", [digest]
            ).fetchone()
            self._headers[digest] = shapes.header(shapes.unpack(found[0])) if found else None
        return self._headers[digest]

    def text(self, sha256: str) -> str | None:
        """A small file's content."""
        row = self._connection.execute("SELECT content FROM texts WHERE sha256 = $1", [sha256]).fetchone()
        return shapes.unpack_text(row[0]) if row else None


class _Unknown(Exception):
    """A header or text that the store does not have."""


def missing(connection: duckdb.DuckDBPyConnection, some: Sequence[str]) -> list[Result]:
    """Compute how some shapes meet those of their family where that is not kept yet: at most AT_ONCE pairs."""
    missing = connection.execute(_MISSING, [AT_ONCE, [shape for shape in some if shape]]).fetchall()
    numbers = list(dict.fromkeys(number for _, one, _, other in missing for number in (one, other)))
    experts = dict(zip(numbers, lookup.facts(connection, numbers), strict=True))
    signatures = Signatures(connection)
    bases: dict[str, dict[str, tuple[int, ...]]] = {}
    found: list[Result] = []
    for base, one, shape, other in missing:
        try:
            if base not in bases:
                bases[base] = tensors(experts[one], _opener(signatures))
            result = coverage(bases[base], experts[other], _opener(signatures), _reader(signatures))
        except (MosaicError, _Unknown):
            found.append((base, shape, *_NEVER))  # whoever uses the pair computes it, and gets the message
            continue
        text = dumps(asdict(result))
        # Thousands of names in a row slow every question down; for a message they are computed again.
        found.append((base, shape, result.complete, text if len(text) <= _LONGEST else ""))
    return found


def read(connection: duckdb.DuckDBPyConnection, base: str, shape: str) -> Coverage | None:
    """How experts of two shapes meet, where that is kept."""
    row = connection.execute(
        "SELECT result FROM coverages WHERE base = $1 AND shape = $2", [base, shape]
    ).fetchone()
    if row is None or not row[0]:
        return None
    content: dict[str, Any] = json.loads(row[0])
    given: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in content.items()
    }
    return Coverage(**given)


def _opener(signatures: Signatures) -> Open:
    def open_(file: FileFact) -> Header:
        header = signatures.header(file.sha256)
        if header is None:
            raise _Unknown
        return header

    return open_


def _reader(signatures: Signatures) -> ReadText:
    def read_(file: FileFact) -> str:
        text = signatures.text(file.sha256)
        if text is None:
            raise _Unknown
        return text

    return read_


def put(connection: duckdb.DuckDBPyConnection, rows: Sequence[Result]) -> None:
    """Keep results from elsewhere where there are none yet, inside an open transaction."""
    query = "SELECT base, shape FROM coverages WHERE shape IN"
    known = dict.fromkeys(matching(connection, query, dict.fromkeys(row[1] for row in rows)))
    insert(connection, "coverages", [row for row in rows if (row[0], row[1]) not in known])
