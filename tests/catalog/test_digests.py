"""Digests are computed once, and never wrong."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from mosaic.catalog import digests as module
from mosaic.catalog.digests import Digests, cache_folder

BIG = b"x" * (1 << 17)
LONG_AGO = time.time_ns() - 3_600_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "digests.json"


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were really read, in order. Files of now are taken to be settled."""
    seen: list[Path] = []
    real = module._digest

    def watched(path: Path) -> str:
        seen.append(path)
        return real(path)

    monkeypatch.setattr(module, "_digest", watched)
    monkeypatch.setattr(module, "_SETTLED_NS", -1)
    return seen


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_once_in_a_process_and_once_on_a_machine(tmp_path: Path, store: Path, hashed: list[Path]) -> None:
    path = write(tmp_path / "big", BIG)
    expected = hashlib.sha256(BIG).hexdigest()
    first = Digests(store)
    assert [first.sha256(path), first.sha256(path), Digests(store).sha256(path)] == [expected] * 3
    assert hashed == [path]


@pytest.mark.parametrize("touch", [True, False])
def test_a_changed_file_is_read_again(tmp_path: Path, store: Path, hashed: list[Path], touch: bool) -> None:
    path = write(tmp_path / "big", BIG)
    digests = Digests(store)
    before = path.stat()
    digests.sha256(path)
    write(path, b"y" + BIG[1:])
    if touch:  # a forged modification time hides nothing
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert digests.sha256(path) == hashlib.sha256(b"y" + BIG[1:]).hexdigest()
    assert len(hashed) == 2


def test_a_replaced_file_is_read_again(tmp_path: Path, store: Path, hashed: list[Path]) -> None:
    path, other = write(tmp_path / "big", BIG), write(tmp_path / "other", b"y" + BIG[1:])
    digests = Digests(store)
    digests.sha256(path)
    os.replace(other, path)
    assert digests.sha256(path) == hashlib.sha256(b"y" + BIG[1:]).hexdigest()


def test_a_file_that_may_still_change_is_not_remembered(tmp_path: Path, store: Path) -> None:
    Digests(store).sha256(write(tmp_path / "big", BIG))
    assert not store.exists()


def test_small_files_are_not_remembered(tmp_path: Path, store: Path, hashed: list[Path]) -> None:
    path = write(tmp_path / "small", b"x")
    digests = Digests(store)
    assert digests.sha256(path) == digests.sha256(path) == hashlib.sha256(b"x").hexdigest()
    assert not store.exists()


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"version": 99, "files": {}}', '{"version": 1, "files": 3}', "\0" * 50, "[" * 100_000],
)
def test_a_broken_store_costs_nothing_but_time(
    tmp_path: Path, store: Path, hashed: list[Path], content: str
) -> None:
    store.parent.mkdir()
    store.write_text(content)
    path = write(tmp_path / "big", BIG)
    assert Digests(store).sha256(path) == hashlib.sha256(BIG).hexdigest()
    assert json.loads(store.read_text())["version"] == 1


def test_a_forged_entry_is_left_out(tmp_path: Path, store: Path, hashed: list[Path]) -> None:
    path = write(tmp_path / "big", BIG)
    store.parent.mkdir()
    state = module._state(path.stat())
    for entry in ([state, "../../evil"], [state, 3], [None, "0" * 64], "x", [state]):
        store.write_text(json.dumps({"version": 1, "files": {os.path.realpath(path): entry}}))
        assert Digests(store).sha256(path) == hashlib.sha256(BIG).hexdigest()


def test_two_processes_keep_each_others_entries(tmp_path: Path, store: Path, hashed: list[Path]) -> None:
    first, second = Digests(store), Digests(store)
    a, b = write(tmp_path / "a", BIG), write(tmp_path / "b", BIG)
    first.sha256(a)
    second.sha256(b)
    first.sha256(write(tmp_path / "c", BIG))
    assert len(json.loads(store.read_text())["files"]) == 3
    assert [path.name for path in store.parent.iterdir()] == ["digests.json"], "no temporary files are left"


def test_a_store_that_cannot_be_written(tmp_path: Path, hashed: list[Path]) -> None:
    (tmp_path / "file").write_text("")
    path = write(tmp_path / "big", BIG)
    assert Digests(tmp_path / "file" / "digests.json").sha256(path) == hashlib.sha256(BIG).hexdigest()


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOSAIC_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("MOSAIC_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder() == tmp_path / "xdg" / "mosaic"
