"""Files that are verified and read beside the work: the same files written, the same faults told, none read twice."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.program import File
from mosaic.runtime import files as reading
from mosaic.runtime.files import Reader, Stopped
from mosaic.runtime.prefetch import Prefetch
from mosaic.runtime.shelf import Opened, Shelf


def opened(count: int) -> Opened:
    return Opened({"x": torch.zeros(count, dtype=torch.uint8)}, {})


class TestShelf:
    def test_what_is_expected_stays_until_the_last_is_done(self) -> None:
        shelf, read = Shelf(100), []

        def from_disk() -> Opened:
            read.append(1)
            return opened(60)

        shelf.take("a", from_disk)
        assert shelf.known("a") is None, "nobody was going to read it again"
        shelf.expect("a")
        shelf.expect("a")
        first = shelf.take("a", from_disk)
        assert shelf.take("a", from_disk) is first and shelf.known("a") is first
        shelf.done("a")
        assert shelf.take("a", from_disk) is first
        shelf.done("a")
        assert shelf.known("a") is None and shelf.has_room(100)
        assert len(read) == 2

    def test_what_has_no_room_is_not_kept(self) -> None:
        shelf = Shelf(100)
        for name in "abc":
            shelf.expect(name)
            shelf.take(name, lambda: opened(60))
        assert [shelf.known(name) is not None for name in "abc"] == [True, False, False]
        shelf.done("a")
        shelf.take("b", lambda: opened(60))
        assert shelf.known("b") is not None
        shelf.clear()
        assert shelf.known("b") is None and shelf.has_room(100)

    def test_two_that_want_a_file_read_it_once(self) -> None:
        shelf, read, begun = Shelf(100), [], threading.Event()
        shelf.expect("a")

        def slowly() -> Opened:
            begun.set()
            read.append(1)
            threading.Event().wait(0.05)
            return opened(1)

        other = threading.Thread(target=lambda: shelf.take("a", slowly))
        other.start()
        begun.wait()
        shelf.take("a", slowly)
        other.join()
        assert len(read) == 1


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often each file's tensors are read, by name."""
    found: Counter[str] = Counter()
    whole = Reader._opened

    def counted(self: Reader, file: File, stopped: Any = reading._never, read: bool = True) -> Opened:
        if read:
            found[Path(file.location).name] += 1
        return whole(self, file, stopped, read)

    monkeypatch.setattr(Reader, "_opened", counted)
    yield found


@pytest.mark.parametrize("operator", ["sum", "ties", "composite"])
def test_a_sweep_of_strengths_reads_each_adapter_once(
    operator: str,
    reads: Counter[str],
    build: Any,
    bench: Any,
    tiny: Any,
    kohya_lora: Path,
    peft_lora: Path,
    make_expert: Any,
    tmp_path: Path,
) -> None:
    experts = [make_expert(kohya_lora, "lora"), make_expert(peft_lora, "lora")]
    programs = []
    for strength in (0.2, 0.4, 0.6, 0.8):
        made = type(build)()
        base = made.load(tiny.expert)
        operands = [made.operand(expert, strength) for expert in experts]
        look = made.fuse_by(operator, base, *operands)
        made.emit(made.sample(look, made.prompts(base), steps=1), "a.safetensors")
        programs.append(made.program())
    alone = [bench.engine.run(each, tmp_path / f"alone{n}") for n, each in enumerate(programs)]
    assert reads["kohya.safetensors"] == reads["peft.safetensors"] == 4
    reads.clear()
    together = bench.engine.run_all(programs, [tmp_path / f"both{n}" for n in range(4)])
    assert reads == {"kohya.safetensors": 1, "peft.safetensors": 1}
    assert [e.sha256 for r in alone for e in r.emitted] == [e.sha256 for r in together for e in r.emitted]
    reads.clear()
    bench.engine.ahead = True
    try:
        ahead = bench.engine.run_all(programs, [tmp_path / f"ahead{n}" for n in range(4)])
    finally:
        bench.engine.ahead = False
    assert [e.sha256 for r in alone for e in r.emitted] == [e.sha256 for r in ahead for e in r.emitted]
    assert reads == {"kohya.safetensors": 1, "peft.safetensors": 1}, "by the thread or by the work"
    reads.clear()
    bench.engine.keep = 0
    try:
        tight = bench.engine.run_all(programs, [tmp_path / f"tight{n}" for n in range(4)])
    finally:
        bench.engine.keep = None
    assert [e.sha256 for r in alone for e in r.emitted] == [e.sha256 for r in tight for e in r.emitted]
    assert reads["kohya.safetensors"] == 4, "without room each fusion reads for itself"


def at(path: Path, make_expert: Any) -> File:
    (file,) = make_expert(path, "lora").files
    return file


def weights(path: Path, seed: int) -> Path:
    save_file({"x": torch.randn(1000, generator=torch.Generator().manual_seed(seed))}, path)
    return path


def test_files_are_read_ahead_within_the_limit(make_expert: Any, tmp_path: Path) -> None:
    given = [at(weights(tmp_path / f"{n}.safetensors", n), make_expert) for n in range(4)]
    reader = Reader(lambda file: Path(file.location))
    reader.shelf.limit = 2 * given[0].size
    for file in given:
        reader.shelf.expect(file.sha256)

    def held() -> list[bool]:
        return [reader.shelf.known(file.sha256) is not None for file in given]

    def until(wanted: list[bool]) -> None:
        for _ in range(500):
            if held() == wanted:
                return
            threading.Event().wait(0.01)
        raise AssertionError(held())

    with Prefetch(reader, given, given) as ahead:
        ahead.verified()
        until([True, True, False, False])
        reader.shelf.done(given[0].sha256)
        until([False, True, True, False])
        found = reader.tensors(given[1])
        assert torch.equal(found["x"], load_file(given[1].location)["x"])
    assert not ahead._thread.is_alive()


def test_a_changed_file_is_told_before_anything_is_written(
    build: Any, bench: Any, tiny: Any, kohya_lora: Path, make_expert: Any, tmp_path: Path
) -> None:
    """The second program's adapter was changed, and has the size that it had: the first writes nothing."""
    copy = tmp_path / "late.safetensors"
    copy.write_bytes(kohya_lora.read_bytes())
    late = make_expert(copy, "lora")
    copy.write_bytes(copy.read_bytes()[:-1] + b"\x01")
    programs = []
    for expert in (None, late):
        made = type(build)()
        base = made.load(tiny.expert)
        look = base if expert is None else made.fuse(base, (expert, 1.0))
        made.emit(made.sample(look, made.prompts(base), steps=1), "a.safetensors")
        programs.append(made.program())
    with pytest.raises(MosaicError) as raised:
        bench.engine.run_all(programs, [tmp_path / "first", tmp_path / "second"])
    assert [found.code for found in raised.value.diagnostics] == ["M751"]
    assert not (tmp_path / "first").exists()


def test_what_is_missing_and_what_is_changed_is_told_together(make_expert: Any, tmp_path: Path) -> None:
    given = [at(weights(tmp_path / f"{n}.safetensors", n), make_expert) for n in range(3)]
    Path(given[0].location).write_bytes(Path(given[0].location).read_bytes()[:-1] + b"\x01")
    Path(given[2].location).unlink()
    reader = Reader(lambda file: Path(file.location))
    with pytest.raises(MosaicError) as raised, Prefetch(reader, given, given):
        pytest.fail("it was to be told at once")
    assert [found.code for found in raised.value.diagnostics] == ["M751", "M851"]


def test_a_fault_of_the_work_yields_to_a_changed_file(make_expert: Any, tmp_path: Path) -> None:
    given = [at(weights(tmp_path / f"{n}.safetensors", n), make_expert) for n in range(2)]
    path = Path(given[1].location)
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    reader = Reader(lambda file: Path(file.location))
    with Prefetch(reader, given, ()) as ahead:
        for _ in range(2):
            with pytest.raises(MosaicError) as raised:
                ahead.verified()
            assert [found.code for found in raised.value.diagnostics] == ["M751"]


def test_reading_stops_with_the_work(
    make_expert: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt in the middle of a large file waits for a piece of it, not for its end."""
    monkeypatch.setattr(reading, "_CHUNK", 1)
    file = at(weights(tmp_path / "large.safetensors", 0), make_expert)
    reader = Reader(lambda file: Path(file.location))
    pieces, begun = [], threading.Event()

    def stopped() -> bool:
        pieces.append(1)
        begun.set()
        return len(pieces) > 3

    with pytest.raises(Stopped):
        reader.path(file, stopped)
    assert len(pieces) == 4
    with pytest.raises(KeyboardInterrupt), Prefetch(reader, [file], [file]) as ahead:
        raise KeyboardInterrupt
    assert not ahead._thread.is_alive()
    assert reader.path(file) == Path(file.location), "what was given up is begun anew"
