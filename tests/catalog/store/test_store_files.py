"""The catalog as a file: crashes, two processes, damage, other versions, no room."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from mosaic.catalog.record import Record
from mosaic.catalog.store import migrations, open_catalog, open_store
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.types import Kind

Make = Callable[..., Record]

PRELUDE = f"""
import runpy, sys, time
from pathlib import Path
from mosaic.catalog.store import open_store
record = runpy.run_path({str(Path(__file__).parent / "conftest.py")!r})["record"]
store = open_store(Path(sys.argv[1]), write=True, wait=60)
"""
BATCH = 20


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python on a text, with the store open as `store`; ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(path: Path, script: str, *more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PRELUDE + script, str(path), *more]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def code(error: pytest.ExceptionInfo[MosaicError]) -> str:
    (diagnostic,) = error.value.diagnostics
    return diagnostic.code


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(MosaicError) as error:
        open_store(tmp_path / "none.duckdb")
    assert code(error) == "M830"


def test_a_new_catalog_leaves_nothing_beside_it(tmp_path: Path, make: Make) -> None:
    with open_store(tmp_path / "deep" / "catalog.duckdb", write=True) as store:
        store.put([make()])
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["catalog.duckdb"]


def test_the_log_of_a_deleted_catalog_is_not_played(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "catalog.duckdb"
    (tmp_path / "catalog.duckdb.wal").write_bytes(b"left over")
    with open_store(path, write=True) as store:
        store.put([make()])
        assert store.names(Kind.LORA) == ("local/neon",)


@pytest.mark.parametrize("content", [b"", b"rubbish" * 100, b"mosaic 1\n"])
def test_a_file_that_is_no_catalog(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "catalog.duckdb"
    path.write_bytes(content)
    for write in (False, True):
        with pytest.raises(MosaicError) as error:
            open_store(path, write=write)
        assert code(error) == "M831"
    assert path.read_bytes() == content


def test_another_program_s_tables(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE accounts (name VARCHAR)")
    for write in (False, True):
        with pytest.raises(MosaicError) as error:
            open_store(path, write=write)
        assert code(error) == "M831"


def test_a_catalog_cut_short_and_one_with_holes(tmp_path: Path, zoo_records: list[Record]) -> None:
    path = tmp_path / "catalog.duckdb"
    with open_store(path, write=True) as store:
        store.put(zoo_records)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 3], whole[:12288] + b"\0" * (len(whole) - 12288)):
        path.write_bytes(damaged)
        with pytest.raises(MosaicError) as error, open_catalog(path) as store:
            for record in zoo_records:
                store.record(record.facts.id)
            store.search("neon")
        assert code(error) == "M831"


def test_a_newer_and_an_older_schema(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "catalog.duckdb"
    with open_store(path, write=True) as store:
        store.put([make()])
    with duckdb.connect(str(path)) as connection:
        connection.execute("INSERT INTO schema_version VALUES (99, '099')")
    for write in (False, True):
        with pytest.raises(MosaicError) as error:
            open_store(path, write=write)
        assert code(error) == "M833"
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE schema_version SET version = 0 WHERE version = 99")
        connection.execute("DELETE FROM schema_version WHERE version = 1")
        with pytest.raises(MosaicError) as error:
            migrations.check(connection, "here", known=1)
        assert code(error) == "M831"


SECOND = (*migrations.shipped(), (2, "ALTER TABLE experts ADD COLUMN likes INTEGER DEFAULT 7"))


def test_a_second_migration(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "catalog.duckdb"
    with open_store(path, write=True) as store:
        store.put([make()])
    with duckdb.connect(str(path)) as connection:
        with pytest.raises(MosaicError) as error:
            migrations.check(connection, str(path), known=2)
        assert code(error) == "M834"
        migrations.migrate(connection, scripts=SECOND)
        migrations.migrate(connection, scripts=SECOND)
        assert connection.execute("SELECT id, likes FROM experts").fetchall() == [("local/neon", 7)]
        assert migrations.version(connection) == 2


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "catalog.duckdb"
    with open_store(path, write=True) as store:
        store.put([make()])
    broken = (*SECOND, (3, "ALTER TABLE nothing ADD COLUMN x INTEGER"))
    with duckdb.connect(str(path)) as connection:
        with pytest.raises(duckdb.CatalogException):
            migrations.migrate(connection, scripts=broken)
        assert migrations.version(connection) == 1
    with open_store(path) as store:
        assert store.names(Kind.LORA) == ("local/neon",)


def test_the_known_schema_is_the_last_file() -> None:
    numbers = [number for number, _ in migrations.shipped()]
    assert numbers == list(range(1, migrations.KNOWN + 1))


def test_a_catalog_that_another_process_holds(
    tmp_path: Path, spawn: Callable[..., subprocess.Popen[str]]
) -> None:
    path = tmp_path / "catalog.duckdb"
    holder = spawn(
        path, "with store._access.write() as c:\n    print('held', flush=True)\n    time.sleep(60)"
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(MosaicError) as error:
        open_store(path, wait=0.1)
    assert code(error) == "M832"
    assert f"process {holder.pid}" in error.value.diagnostics[0].message()


def test_a_reader_waits_for_a_writer(tmp_path: Path, spawn: Callable[..., subprocess.Popen[str]]) -> None:
    path = tmp_path / "catalog.duckdb"
    holder = spawn(
        path,
        "with store._access.write() as c:\n    print('held', flush=True)\n    time.sleep(1)\nstore.put([record()])\n",
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with open_store(path, wait=30) as store:
        assert store.stats().schema == migrations.KNOWN


IMPORT = f"""
for batch in range(10000):
    store.put([record(f"local/{{sys.argv[2]}}-{{batch}}-{{i}}") for i in range({BATCH})])
    print(batch, flush=True)
"""


def test_kill_in_the_middle_of_an_import(tmp_path: Path, spawn: Callable[..., subprocess.Popen[str]]) -> None:
    path = tmp_path / "catalog.duckdb"
    for round_, delay in enumerate((0.0, 0.03, 0.11)):
        process = spawn(path, IMPORT, f"r{round_}")
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(3)]
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        rest, _ = process.communicate()
        committed = len(said) + len(rest.split())
        with open_store(path, wait=30) as store:
            ids = [id for id in store.names(Kind.LORA) if id.startswith(f"local/r{round_}-")]
            assert len(ids) % BATCH == 0  # no half batch
            assert len(ids) >= committed * BATCH  # all that was said to be in
            assert store.verify() == []
            assert all(store.record(id) is not None for id in ids[:3])


def test_two_writers_and_a_reader(tmp_path: Path, spawn: Callable[..., subprocess.Popen[str]]) -> None:
    path = tmp_path / "catalog.duckdb"
    script = IMPORT.replace("10000", "8")
    writers = [spawn(path, script, name) for name in ("a", "b")]
    seen = []
    while not path.exists():
        time.sleep(0.01)
    while any(writer.poll() is None for writer in writers):
        with open_store(path, wait=60) as store:
            seen.append(len(store.names(Kind.LORA)))
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen == sorted(seen)
    assert all(count % BATCH == 0 for count in seen)
    with open_store(path) as store:
        assert len(store.names(Kind.LORA)) == 2 * 8 * BATCH
        assert store.verify() == []


def test_a_writer_that_is_opened_while_one_reads(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "catalog.duckdb"
    with open_store(path, write=True) as writer, open_store(path) as reader:
        assert reader.names(Kind.LORA) == ()
        with pytest.raises(MosaicError) as error, open_store(path, write=True, wait=0.05) as other:
            other.put([make()])
        assert code(error) == "M832"
        reader.close()
        writer.put([make()])
        assert reader.names(Kind.LORA) == ("local/neon",)


def test_a_failing_batch_leaves_what_was_there(tmp_path: Path, make: Make) -> None:
    with open_store(tmp_path / "catalog.duckdb", write=True) as store:
        store.put([make("local/a")])
        before = store.digest
        broken = make("local/b", native_size=object())  # cannot be written as JSON
        with pytest.raises(TypeError):
            store.put([make("local/c"), broken])
        assert store.names(Kind.LORA) == ("local/a",)
        assert store.digest == before


def test_no_such_place_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MosaicError) as error:
        open_store(tmp_path / "file" / "catalog.duckdb", write=True)
    assert code(error) == "M835"


def test_no_room(tmp_path: Path, spawn: Callable[..., subprocess.Popen[str]], make: Make) -> None:
    path = tmp_path / "catalog.duckdb"
    with open_store(path, write=True) as store:
        store.put([make()])
    script = """
import resource, signal
from mosaic.compiler.diagnostic import MosaicError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = Path(sys.argv[1]).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
try:
    for batch in range(50):
        store.put([record(f"local/x-{batch}-{i}", description=f"{batch}{i} " * 50) for i in range(200)])
    print("no limit")
except MosaicError as error:
    print(*[d.code for d in error.diagnostics])
"""
    process = spawn(path, script)
    assert process.communicate()[0] == "M835\n"
    with open_store(path) as store:
        assert store.facts("local/neon") is not None
        assert (len(store.names(Kind.LORA)) - 1) % 200 == 0
        assert store.verify() == []


def test_entries_that_contradict_each_other_are_found(tmp_path: Path, zoo_records: list[Record]) -> None:
    path = tmp_path / "catalog.duckdb"
    for number, (damage, said) in enumerate(
        (
            ("DELETE FROM signatures", "signature"),
            ("DELETE FROM files WHERE expert = 4", "no file"),
            ("UPDATE files SET sha256 = repeat('0', 64) WHERE expert = 4", "its digest is not"),
            ("UPDATE experts SET facts = replace(facts, 'Neon', 'Noon')", "not what was put"),
            ("UPDATE experts SET facts = '{' WHERE number = 4", "not what was put"),
            ("DELETE FROM experts WHERE number = 4", "belong to no expert"),
            ("DELETE FROM edges", "its digest is not that of its entries"),
        )
    ):
        place = path.with_name(f"{number}.duckdb")
        with open_store(place, write=True) as store:
            store.put(zoo_records)
            assert store.verify() == []
        with duckdb.connect(str(place)) as connection:
            connection.execute(damage)
        with open_store(place) as store:
            found = store.verify()
        assert {diagnostic.code for diagnostic in found} == {"M838"}
        assert any(said in diagnostic.message() for diagnostic in found), [d.message() for d in found]
