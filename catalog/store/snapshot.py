"""A catalog as a folder of Parquet files, small and the same bytes for the same content: to commit beside plans.

Experts are numbered anew in the order of their ids, so that the order in which they were added does not show. What
is of this machine alone (where files lie, what used them) is left out, and so are claims that tensors prove:
signatures are there. `manifest.json` names the format, the catalog's digest and each file's size and SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mosaic.catalog.store import access, migrations, sums
from mosaic.catalog.store.engine import duckdb
from mosaic.catalog.store.values import Export
from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic, MosaicError

if TYPE_CHECKING:
    from mosaic.catalog.store.access import Access

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
_NAME: Final = "mosaic catalog"
_CHUNK: Final = 1 << 20

_EXPERT: Final = "JOIN numbers ON numbers.old = expert"
_TABLES: Final = (
    (
        "experts",
        "SELECT numbers.number, * EXCLUDE (number, old) FROM experts JOIN numbers ON old = experts.number",
        "1",
    ),
    (
        "files",
        f"SELECT number AS expert, * EXCLUDE (expert, old, number) FROM files {_EXPERT}",
        "1, position",
    ),
    (
        "claims",
        # Counted anew: which claims of tensors stood between them is told by signatures.
        "SELECT number AS expert, row_number() OVER (PARTITION BY number ORDER BY position) - 1 AS position,"
        f" key, value, evidence, source FROM claims {_EXPERT} WHERE evidence <> 'header'",
        "1, 2",
    ),
    ("aliases", f"SELECT alias, number AS expert FROM aliases {_EXPERT}", "1"),
    ("tags", f"SELECT number AS expert, position, tag FROM tags {_EXPERT}", "1, 2"),
    ("triggers", f"SELECT number AS expert, position, trigger FROM triggers {_EXPERT}", "1, 2"),
    ("licenses", f"SELECT number AS expert, license FROM licenses {_EXPERT}", "1, 2"),
    (
        "capabilities",
        f"SELECT number AS expert, * EXCLUDE (expert, old, number) FROM capabilities {_EXPERT}",
        "1, position",
    ),
    ("signatures", "SELECT * FROM signatures", "digest"),
    ("texts", "SELECT * FROM texts", "sha256"),
    ("edges", "SELECT * FROM edges", "relation, first, second"),
    # Those of experts that were removed are kept in case they come back, and are of no use elsewhere.
    (
        "coverages",
        "SELECT * FROM coverages WHERE base IN (SELECT shape FROM experts) AND shape IN (SELECT shape FROM experts)",
        "base, shape",
    ),
    ("terms", "SELECT number, term FROM spoken", "number"),
    (
        "postings",
        "SELECT spoken.number AS term, numbers.number AS expert, weight FROM postings"
        f" JOIN spoken ON spoken.old = postings.term {_EXPERT}",
        "1, 2",
    ),
)
_ROWS: Final = {"experts": 2048, "signatures": 2048, "texts": 2048}
"""Rows of a group, which is read as a whole: few where rows are large."""
_MOST_ROWS: Final = 20480
_LOCAL: Final = ("locations", "usage", "sources")

Manifest = dict[str, Any]


class Snapshot:
    """Tables as views over the files of a folder."""

    writable: Final = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        self._connection: duckdb.DuckDBPyConnection | None = None

    @property
    def place(self) -> str:
        return str(self.folder)

    def read(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        raise MosaicError(errors.catalog.CatalogUnwritable(None, self.place, "a snapshot is only read"))
        yield self.read()

    @contextmanager
    def export(self) -> Iterator[duckdb.DuckDBPyConnection]:
        yield self.read()

    def fault(self, error: Exception) -> Diagnostic:
        name = next((name for name in self.manifest["files"] if name in str(error)), "its files")
        return errors.catalog.SnapshotBroken(None, self.place, name, "cannot be read as it was exported")

    def size(self) -> int:
        return int(sum(entry["size"] for entry in self.manifest["files"].values()))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def check(self) -> None:
        """Compare every byte with the manifest. Raises MosaicError (M837)."""
        for name, entry in self.manifest["files"].items():
            if _sha256(self.folder / name) != entry["sha256"]:
                raise MosaicError(
                    errors.catalog.SnapshotBroken(None, self.place, name, "is not as it was exported")
                )

    def _open(self) -> duckdb.DuckDBPyConnection:
        connection = access.in_memory()
        migrations.migrate(connection)
        try:
            connection.execute("SET parquet_metadata_cache = true")
            for table, _, _ in _TABLES:
                path = _literal(self.folder.absolute() / f"{table}.parquet")
                connection.execute(f"DROP TABLE {table}")
                connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet({path})")
            total, _, count = self.manifest["sum"].partition(" ")
            sums.write(connection, (int(total, 16), int(count)))
        except duckdb.Error as error:
            connection.close()
            raise MosaicError(self.fault(error)) from error
        return connection


def read_manifest(folder: Path) -> Manifest:
    """A snapshot's manifest, with the sizes of its files checked. Raises MosaicError: M830, M833, M836, M837."""
    if not folder.exists():
        raise MosaicError(errors.catalog.CatalogMissing(None, str(folder)))
    try:
        content = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise MosaicError(errors.catalog.NotASnapshot(None, str(folder))) from None
    except (OSError, ValueError, RecursionError) as error:
        raise _broken(folder, MANIFEST, "cannot be read") from error
    if not isinstance(content, dict) or content.get("what") != _NAME:
        raise MosaicError(errors.catalog.NotASnapshot(None, str(folder)))
    if not _is_manifest(content):
        raise _broken(folder, MANIFEST, "is no manifest of a snapshot")
    known = (FORMAT, migrations.KNOWN)
    for found, last in zip((content["format"], content["schema"]), known, strict=True):
        if found > last:
            raise MosaicError(errors.catalog.CatalogNewer(None, str(folder), found, last))
    if content["schema"] < migrations.KNOWN:
        raise MosaicError(errors.catalog.CatalogOlder(None, str(folder), content["schema"], migrations.KNOWN))
    for name, entry in content["files"].items():
        path = folder / name
        if not path.is_file():
            raise _broken(folder, name, "is missing")
        if path.stat().st_size != entry["size"]:
            raise _broken(folder, name, f"has {path.stat().st_size} bytes, not {entry['size']}")
    return content


def export(source: Access, folder: Path) -> Export:
    """Write a snapshot under another name and give it its own when it is whole.

    Raises MosaicError: M836 where the folder holds anything but an older snapshot, M835 where it cannot be written.
    """
    _may_replace(folder)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    try:
        temporary.mkdir(parents=True)
        with source.export() as connection:
            content = _write(connection, temporary)
        _swap(temporary, folder)
    except (OSError, duckdb.IOException) as error:
        reason = access.reason(error)
        raise MosaicError(errors.catalog.CatalogUnwritable(None, str(folder), reason)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    size = sum(entry["size"] for entry in content["files"].values())
    return Export(str(folder), content["digest"], content["experts"], size, (MANIFEST, *content["files"]))


def _write(connection: duckdb.DuckDBPyConnection, folder: Path) -> Manifest:
    connection.execute("SET threads = 1")
    # What was in a table once, and is no more, shows in how its columns are written, unless nobody asks for that.
    connection.execute("SET disabled_optimizers = 'statistics_propagation'")
    for table, query in (
        (
            "numbers",
            "SELECT number AS old, (row_number() OVER (ORDER BY id))::INTEGER AS number FROM experts",
        ),
        (
            "spoken",
            "SELECT number AS old, (row_number() OVER (ORDER BY term))::INTEGER AS number, term FROM terms"
            " WHERE number IN (SELECT term FROM postings)",
        ),
    ):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {query}")
    files = {}
    for table, query, order in _TABLES:
        path = folder / f"{table}.parquet"
        rows = _ROWS.get(table, _MOST_ROWS)
        connection.execute(
            f"COPY ({query} ORDER BY {order}) TO {_literal(path, glob=False)}"
            f" (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {rows})"
        )
        files[path.name] = {"size": path.stat().st_size, "sha256": _sha256(path)}
    for table in ("numbers", "spoken"):
        connection.execute(f"DROP TABLE {table}")
    connection.execute("RESET disabled_optimizers")
    total, count = sums.read(connection)
    row = connection.execute("SELECT count(*) FROM experts").fetchone()
    content = {
        "what": _NAME,
        "format": FORMAT,
        "schema": migrations.KNOWN,
        "digest": sums.digest((total, count)),
        "sum": f"{total:064x} {count}",
        "experts": int(row[0]) if row else 0,
        "files": files,
    }
    (folder / MANIFEST).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return content


def _may_replace(folder: Path) -> None:
    if not folder.exists():
        return
    try:
        if not any(folder.iterdir()):
            return
        content = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("what") != _NAME:
        raise MosaicError(errors.catalog.NotASnapshot(None, str(folder), writing=True))


def _swap(new: Path, folder: Path) -> None:
    if not folder.exists():
        new.rename(folder)
        return
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _is_manifest(content: Manifest) -> bool:
    try:
        int(content["sum"].partition(" ")[0], 16)
        names = [f"{table}.parquet" for table, _, _ in _TABLES]
        sizes = [content["files"][name]["size"] for name in names]
        hashes = [content["files"][name]["sha256"] for name in names]
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    numbers = [content.get("format"), content.get("schema"), content.get("experts"), *sizes]
    return (
        list(content["files"]) == names and all(type(n) is int for n in numbers) and all(map(_is_hex, hashes))
    )


def _is_hex(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64


def _broken(folder: Path, name: str, reason: str) -> MosaicError:
    return MosaicError(errors.catalog.SnapshotBroken(None, str(folder), name, reason))


def _literal(path: Path, *, glob: bool = True) -> str:
    text = str(path)
    if glob:
        text = "".join(f"[{char}]" if char in "*?[" else char for char in text)
    return "'" + text.replace("'", "''") + "'"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
