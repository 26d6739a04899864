"""How the store gets at its tables: a file that is held for moments, a database in memory, a snapshot's folder.

DuckDB lets one process write a file or many read it. So a reader holds it until `close` and takes it again at the
next question, and a writer holds it for one transaction.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from mosaic.catalog.store import migrations
from mosaic.catalog.store.engine import duckdb
from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic, MosaicError

_PAUSE_S: Final = 0.01
_LONGEST_PAUSE_S: Final = 0.1

# One thread: the order of floating-point sums, and so the ranking, is the same everywhere. Nothing is fetched
# from a network, and a catalog somebody else made cannot make the reader open other files.
_SETTINGS: Final[dict[str, Any]] = {
    "threads": 1,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
}
_CLOSED_IN: Final[dict[str, Any]] = {**_SETTINGS, "enable_external_access": False}

_LOCKED: Final = "Could not set lock"
_OTHER_MODE: Final = "different configuration"
_HOLDER: Final = re.compile(r"held in (\S+) \(PID (\d+)\)")


class Access(Protocol):
    """A place where the tables are."""

    @property
    def place(self) -> str:
        """As messages name it."""

    @property
    def writable(self) -> bool:
        """Whether `write` may be called."""

    def read(self) -> duckdb.DuckDBPyConnection:
        """A connection for questions. Raises MosaicError."""

    def write(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A context manager that gives a connection in a transaction, committed at its end."""

    def export(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A context manager that gives a connection that may write files; it sees what `read` sees."""

    def fault(self, error: Exception) -> Diagnostic:
        """What to say where a question fails."""

    def size(self) -> int:
        """Bytes on disk."""

    def close(self) -> None:
        """Let go; the next `read` takes it again."""


class Memory:
    """Tables in memory."""

    place: Final = "memory"
    writable: Final = True

    def __init__(self) -> None:
        self._connection = duckdb.connect(":memory:", config=_SETTINGS)
        migrations.migrate(self._connection)

    def read(self) -> duckdb.DuckDBPyConnection:
        return self._connection

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with transaction(self._connection):
            yield self._connection

    @contextmanager
    def export(self) -> Iterator[duckdb.DuckDBPyConnection]:
        yield self._connection

    def fault(self, error: Exception) -> Diagnostic:
        return _fault(Path(self.place), error)

    def size(self) -> int:
        return 0

    def close(self) -> None:
        """Memory is kept: there is nothing to let go of."""


class File:
    """Tables in a file."""

    def __init__(self, path: Path, write: bool, wait: float) -> None:
        self.path, self.writable, self._wait = path, write, wait
        self._reading: duckdb.DuckDBPyConnection | None = None
        if write and not path.exists():
            _create(path)
        if not path.exists():
            raise MosaicError(errors.catalog.CatalogMissing(None, str(path)))
        if write:
            self._bring_up_to_date()

    @property
    def place(self) -> str:
        return str(self.path)

    def read(self) -> duckdb.DuckDBPyConnection:
        if self._reading is None:
            connection = self._open(read_only=True)
            try:
                with faults(self.path):
                    migrations.check(connection, self.place)
            except MosaicError:
                connection.close()
                raise
            self._reading = connection
        return self._reading

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        self.close()
        connection = self._open(read_only=False)
        try:
            with faults(self.path):
                migrations.check(connection, self.place)
                with transaction(connection):
                    yield connection
                # Closing writes what was committed into the file proper; so it is part of what can fail.
                connection.close()
        finally:
            connection.close()

    @contextmanager
    def export(self) -> Iterator[duckdb.DuckDBPyConnection]:
        self.read()
        self.close()
        connection = in_memory()
        path = str(self.path).replace("'", "''")

        def attach() -> duckdb.DuckDBPyConnection:
            return connection.execute(f"ATTACH '{path}' AS source (READ_ONLY)")

        with connection:
            retried(attach, self.path, self._wait)
            connection.execute("USE source")
            yield connection

    def fault(self, error: Exception) -> Diagnostic:
        return _fault(self.path, error)

    def size(self) -> int:
        return sum(path.stat().st_size for path in (self.path, wal(self.path)) if path.exists())

    def close(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def _bring_up_to_date(self) -> None:
        with faults(self.path):
            connection = self._open(read_only=True)
            with connection:
                version = migrations.version(connection, self.place)
        if version == migrations.KNOWN:
            return
        connection = self._open(read_only=False)
        with faults(self.path), connection:
            migrations.migrate(connection, self.place)

    def _open(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        return retried(
            lambda: duckdb.connect(str(self.path), read_only=read_only, config=_CLOSED_IN),
            self.path,
            self._wait,
        )


def in_memory() -> duckdb.DuckDBPyConnection:
    """An empty database that may read files: for a snapshot's views."""
    return duckdb.connect(":memory:", config=_SETTINGS)


def retried(
    connect: Callable[[], duckdb.DuckDBPyConnection], path: Path, wait: float
) -> duckdb.DuckDBPyConnection:
    """Open a file, again and again for `wait` seconds while another process holds it. Raises MosaicError."""
    started, pause = time.monotonic(), _PAUSE_S
    while True:
        try:
            return connect()
        except (duckdb.IOException, duckdb.ConnectionException) as error:
            text = str(error)
            if _LOCKED not in text and _OTHER_MODE not in text:
                raise MosaicError(_fault(path, error)) from error
            left = wait - (time.monotonic() - started)
            if left <= 0:
                raise MosaicError(
                    errors.catalog.CatalogLocked(None, str(path), _holder(text), wait)
                ) from error
        except duckdb.Error as error:
            raise MosaicError(_fault(path, error)) from error
        time.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE_S)


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All or nothing."""
    connection.begin()
    try:
        yield
        connection.commit()
    except BaseException:
        # After some errors DuckDB has ended the transaction by itself.
        with _quietly():
            connection.rollback()
        raise


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Turn what DuckDB says of a file into messages."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise MosaicError(_fault(path, error)) from error


@contextmanager
def _quietly() -> Iterator[None]:
    try:
        yield
    except duckdb.Error:
        return


def wal(path: Path) -> Path:
    """Where DuckDB keeps what is committed but not yet in the file."""
    return path.with_name(path.name + ".wal")


def _create(path: Path) -> None:
    """Make an empty catalog under another name, then give it its own: nobody sees it half made."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(str(temporary), config=_CLOSED_IN) as connection:
            migrations.migrate(connection)
        # What is left of a catalog that was deleted without its log must not be played into the new one.
        wal(path).unlink(missing_ok=True)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return  # another process was faster
        except OSError:  # a file system without hard links
            os.replace(temporary, path)
    except (duckdb.Error, OSError) as error:
        raise MosaicError(errors.catalog.CatalogUnwritable(None, str(path), reason(error))) from error
    finally:
        for left in (temporary, wal(temporary)):
            _remove(left)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return  # the folder is not writable, which has been said already


_NOT_DUCKDB: Final = "not a valid DuckDB database"
_FORBIDDEN: Final = (
    "Permission denied",
    "Read-only file system",
    "No space left",
    "File too large",
    "Disk quota",
)
_WRITING: Final = ("Could not write", "Failed to write", "Could not create", "out of space")


def _fault(path: Path, error: Exception) -> Diagnostic:
    text = str(error)
    if _NOT_DUCKDB in text or "Is a directory" in text:
        return errors.catalog.CatalogBroken(None, str(path), "it is no DuckDB file")
    if any(part in text for part in (*_FORBIDDEN, *_WRITING)) or isinstance(error, OSError):
        return errors.catalog.CatalogUnwritable(None, str(path), reason(error))
    if isinstance(error, duckdb.CatalogException | duckdb.BinderException):
        return errors.catalog.CatalogBroken(None, str(path), "it lacks tables of a catalog")
    return errors.catalog.CatalogBroken(None, str(path), reason(error))


def reason(error: Exception) -> str:
    """The cause alone, in one line, without DuckDB's preface and advice."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = str(error)
    for part in _FORBIDDEN:
        if part in text:
            return part.lower()
    first = text.partition("\n")[0].partition(". ")[0]
    return first.removeprefix("IO Error: ").removeprefix("Invalid Input Error: ")


def _holder(text: str) -> str:
    found = _HOLDER.search(text)
    if found is None:
        return "another part of this program" if _OTHER_MODE in text else "another process"
    return f"process {found[2]} ({Path(found[1]).name})"
