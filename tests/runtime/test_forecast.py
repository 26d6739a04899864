"""What a run is said to find in the cache is what it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.runtime.conftest import Build, Tiny

from mosaic.compiler.operators import Operator
from mosaic.compiler.program import Program
from mosaic.runtime.cache.disk import Disk
from mosaic.runtime.cache.settings import Setting, recall, remember
from mosaic.runtime.cache.store import DiskStore
from mosaic.runtime.engine import Engine
from mosaic.runtime.forecast import forecast
from mosaic.runtime.origin import Origin
from mosaic.runtime.surroundings import circumstances, surroundings


class Store:
    """Values by key, of which some are to be forgotten."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = dict(values)

    def has(self, key: str) -> bool:
        return key in self.values

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def put(self, key: str, value: Any) -> None:
        self.values[key] = value

    def note(self, numerics: Mapping[str, str]) -> None:
        pass


def _sampled(tiny: Tiny, *, seed: int = 7, until: float = 1.0) -> Build:
    built = Build()
    model = built.load(tiny.expert)
    latent = built.sample(model, steps=2, seed=seed, until=until)
    built.emit(built.decode(latent, model), "a.png", "image")
    return built


def _refined(tiny: Tiny, *, strength: float = 0.5, twice: bool = False) -> Build:
    built = Build()
    model = built.load(tiny.expert)
    prompts = built.prompts(model)
    latent = built.sample(model, prompts, steps=2)
    again = built.refine(model, latent, prompts, strength=strength, steps=2)
    built.emit(built.decode(again, model), "b.png", "image")
    built.emit(again, "b.safetensors")
    if twice:
        built.emit(built.decode(latent, model), "first.png", "image")
    return built


@pytest.fixture(scope="module")
def programs(tiny: Tiny) -> list[Program]:
    built = [
        _sampled(tiny),
        _refined(tiny),
        _refined(tiny, strength=1.0, twice=True),
        _sampled(tiny, seed=8),
        _sampled(tiny, until=0.5),
    ]
    return [each.program() for each in built]


@pytest.fixture(scope="module")
def warm(
    programs: list[Program], operators: dict[str, Operator], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Mapping[str, Any]], tuple[Engine, Store]]:
    """Engines with stores of their own. They share the loaded model by files alone."""

    def made(values: Mapping[str, Any]) -> tuple[Engine, Store]:
        store = Store(values)
        worker = Engine(
            locate=lambda file: Path(file.location), operators=operators, device="cpu", store=store
        )
        return worker, store

    return made


def _told(origins: Sequence[Sequence[Origin]]) -> list[list[Origin]]:
    """Where another run of the command got a latent ready on its way, that counts as computed."""
    return [[Origin.COMPUTED if origin is Origin.SHARED else origin for origin in each] for each in origins]


@pytest.fixture(scope="module")
def known(
    programs: list[Program],
    warm: Callable[[Mapping[str, Any]], tuple[Engine, Store]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, Any]:
    """Everything that runs of all programs keep."""
    worker, store = warm({})
    worker.run_all(programs, [tmp_path_factory.mktemp("all") for _ in programs])
    return store.values


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_told_is_what_happens(
    data: st.DataObject,
    programs: list[Program],
    known: Mapping[str, Any],
    warm: Callable[[Mapping[str, Any]], tuple[Engine, Store]],
    tmp_path: Path,
) -> None:
    some = data.draw(st.lists(st.sampled_from(range(len(programs))), min_size=1, max_size=3), "programs")
    chosen = [programs[number] for number in some]
    kept = data.draw(st.sets(st.sampled_from(sorted(known))), "kept")
    worker, store = warm({key: known[key] for key in kept})
    told = forecast(chosen, worker.numerics(), store.has)
    results = worker.run_all(chosen, [tmp_path / str(place) for place in range(len(chosen))])
    ran = [[timing.source for timing in result.timings] for result in results]
    assert _told(told) == _told(ran)


def test_nothing_and_everything(
    programs: list[Program],
    known: Mapping[str, Any],
    warm: Callable[[Mapping[str, Any]], tuple[Engine, Store]],
) -> None:
    worker, _ = warm({})
    (cold,) = forecast(programs[:1], worker.numerics(), lambda key: False)
    assert set(cold) == {Origin.COMPUTED}
    (whole,) = forecast(programs[:1], worker.numerics(), known.__contains__)
    assert whole.count(Origin.CACHE) == 1
    assert whole[-1] is Origin.COMPUTED, "files are written anew"
    (other,) = forecast(programs[:1], {**worker.numerics(), "threads": "99"}, known.__contains__)
    assert other == cold


def test_surroundings_are_the_part_of_numerics_that_needs_no_torch(engine: Engine) -> None:
    whole = engine.numerics()
    here = surroundings(engine.operators)
    assert here.items() <= whole.items()
    assert {"code", "operators", "processor", "version.torch"} <= here.keys()
    assert not {"threads", "device"} & here.keys()


def test_a_run_leaves_its_settings(tiny: Tiny, tmp_path: Path, operators: dict[str, Operator]) -> None:
    disk = Disk(tmp_path / "cache")
    worker = Engine(
        locate=lambda file: Path(file.location), operators=operators, device="cpu", store=DiskStore(disk)
    )
    assert recall(disk) == ()
    worker.run(_sampled(tiny).program(), tmp_path / "out")
    assert recall(disk) == (Setting(dict(worker.numerics()), circumstances()),)
    entries = {entry.key for entry in disk.entries()}
    assert len(entries) > 1 and "runs.json" not in entries
    disk.prune(0)
    assert not list(disk.entries()) and recall(disk), "what is settled stays true"


def test_settings_of_several_circumstances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(tmp_path)
    cpu, cuda = {"device": "cpu", "dtype": "float32"}, {"device": "cuda", "dtype": "float16"}
    for threads in ("1", "2", "1"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        for facts in (cuda, cpu):
            remember(disk, {**facts, "threads": threads})
    assert [(each.circumstances["OMP_NUM_THREADS"], each.numerics["device"]) for each in recall(disk)] == [
        ("2", "cuda"),
        ("2", "cpu"),
        ("1", "cuda"),
        ("1", "cpu"),
    ]
    for threads in range(40):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        remember(disk, cpu)
    assert len(recall(disk)) == 16


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"null", b'{"version": 1}', b'{"version": 1, "runs": [3]}']
)
def test_damaged_settings_are_none(damage: bytes, tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    remember(disk, {"device": "cpu"})
    disk.note("runs.json", damage)
    assert recall(disk) == ()
    remember(disk, {"device": "cpu"})
    assert len(recall(disk)) == 1


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    disk = Disk(tmp_path / "file")
    remember(disk, {"device": "cpu"})
    assert recall(disk) == ()
