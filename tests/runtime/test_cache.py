"""What is kept comes back exactly as it was, or not at all."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mosaic.runtime.cache.disk import Disk
from mosaic.runtime.cache.entries import decode, encode
from mosaic.runtime.cache.memory import MemoryStore
from mosaic.runtime.cache.schedulers import NotStorable, pack, same, unpack
from mosaic.runtime.cache.store import DiskStore, open_store
from mosaic.runtime.cache.tiers import Encoding, Tiers
from mosaic.runtime.denoise import SCHEDULERS, begin, build_scheduler
from mosaic.runtime.engine import Engine
from mosaic.runtime.origin import Origin
from mosaic.runtime.values import Image, Latent, Run

NOISE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "prediction_type": "epsilon",
}
KEY = "ab" * 32
STEPS = 5


def standing(name: str, position: int) -> Latent:
    """A latent that a run of some scheduler left after so many steps, with what a step leaves behind."""
    scheduler = build_scheduler(name, STEPS, NOISE, "a test")
    begin(scheduler, 0)
    generator = torch.Generator("cpu").manual_seed(3)
    sample = torch.randn((1, 4, 8, 8), generator=generator) * scheduler.init_noise_sigma
    for index in range(position):
        sample = step(scheduler, name, index, sample, generator)
    run = Run(name, scheduler, scheduler.timesteps, position, generator.get_state())
    return Latent(sample, run, sample * 0.5 if position else None)


def step(scheduler: Any, name: str, index: int, sample: torch.Tensor, generator: torch.Generator) -> Any:
    timestep = scheduler.timesteps[index]
    predicted = scheduler.scale_model_input(sample, timestep).sin()
    extra = {"generator": generator} if name == "euler_a" else {}
    return scheduler.step(predicted, timestep, sample, return_dict=False, **extra)[0]


@pytest.mark.parametrize("position", range(STEPS + 1))
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_run_goes_on_to_the_bit(name: str, position: int) -> None:
    latent = standing(name, position)
    data = encode(latent)
    assert data is not None, "every scheduler here can be kept"
    back = decode(data)
    assert isinstance(back, Latent) and back.run is not None and latent.run is not None
    assert same(back.sample, latent.sample) and same(back.clean, latent.clean)
    assert back.run.total == STEPS and back.run.position == position
    assert same(vars(back.run.scheduler).keys(), vars(latent.run.scheduler).keys()) or (
        vars(back.run.scheduler).keys() == vars(latent.run.scheduler).keys()
    )
    for one in (latent, back):
        assert one.run is not None
        generator = torch.Generator("cpu")
        generator.set_state(one.run.generator)
        sample, trail = one.sample, []
        for index in range(position, STEPS):
            sample = step(one.run.scheduler, name, index, sample, generator)
            trail.append(sample)
        if one is latent:
            wanted = trail
    assert all(map(torch.equal, trail, wanted))


def test_what_would_not_come_back_is_not_kept() -> None:
    latent = standing("unipc", 2)
    assert latent.run is not None
    latent.run.scheduler.something_new = 3
    with pytest.raises(NotStorable):
        pack(latent.run, {})
    assert encode(latent) is None
    other = standing("ddim", 1)
    assert other.run is not None
    assert encode(replace(other, run=replace(other.run, name="heun"))) is None
    del latent.run.scheduler.something_new
    latent.run.scheduler.model_outputs = {"a": 1}
    assert encode(latent) is None
    with pytest.raises(NotStorable):
        unpack({"name": "heun", "total": 3}, {})


def test_changed_prediction_kinds_come_back() -> None:
    latent = standing("dpmpp_2m", 2)
    assert latent.run is not None
    latent.run.scheduler.register_to_config(prediction_type="v_prediction")
    back = decode(encode(latent) or b"")
    assert isinstance(back, Latent) and back.run is not None
    assert back.run.scheduler.config.prediction_type == "v_prediction"


def values() -> dict[str, Any]:
    """One of each type, with numbers that are easily lost."""
    odd = torch.tensor([-0.0, 1e-42, 3.0e38, 0.1]).reshape(1, 1, 2, 2)
    return {
        "image": Image(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)),
        "encoded": Latent(odd, None),
        "standing": standing("unipc", 3),
        "text": Encoding(odd.reshape(1, 2, 2).to(torch.float16)),
    }


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, Image):
        return isinstance(other, Image) and one.pixels.tobytes() == other.pixels.tobytes()
    if isinstance(one, Encoding):
        return isinstance(other, Encoding) and same(one.hidden, other.hidden)
    return isinstance(other, Latent) and same(one.sample, other.sample) and same(one.clean, other.clean)


@pytest.mark.parametrize("kind", values())
def test_tiers_give_what_was_put_in(kind: str, tmp_path: Path) -> None:
    value = values()[kind]
    store = open_store(Disk(tmp_path))
    assert not store.has(KEY) and store.get(KEY) is None
    store.put(KEY, value)
    later = open_store(Disk(tmp_path))
    assert later.has(KEY) and equal(value, later.get(KEY))


@pytest.mark.parametrize("kind", values())
def test_every_damage_is_found(kind: str, tmp_path: Path) -> None:
    """Cut anywhere, or with any bit turned, an entry is no entry: it is removed and can be written again."""
    value, disk = values()[kind], Disk(tmp_path)
    store = DiskStore(disk)
    store.put(KEY, value)
    (path,) = tmp_path.rglob("*.entry")
    whole = path.read_bytes()
    places = {0, 1, 14, 15, 46, 47, 48, 51, 60, len(whole) - 1, *range(0, len(whole), len(whole) // 40 + 1)}
    for place in sorted(places):
        turned = bytearray(whole)
        turned[place] ^= 1 << place % 8
        for damaged in (whole[:place], bytes(turned)):
            path.write_bytes(damaged)
            assert store.get(KEY) is None, place
            assert not path.exists()
    store.put(KEY, value)
    assert equal(value, store.get(KEY))
    other = path.parent.parent / "cd" / ("cd" * 32 + ".entry")
    other.parent.mkdir()
    path.rename(other)
    assert store.get("cd" * 32) is None, "an entry under another key's name"


@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 3, b"\xff" * 64, b"\x02\x00\x00\x00{}", b"\x02\x00\x00\x00[]abc"]
)
def test_bytes_of_another_form(data: bytes) -> None:
    assert decode(data) is None


def test_the_memory_tier_forgets_what_was_used_longest_ago() -> None:
    store = MemoryStore(limit=100)
    image = Image(np.zeros((4, 4, 3), dtype=np.uint8))
    store.put("a", image)
    store.put("b", image)
    assert store.get("a") is image
    store.put("c", image)
    assert [store.has(key) for key in "abc"] == [True, False, True]
    store.put("d", Image(np.zeros((8, 8, 3), dtype=np.uint8)))
    assert not store.has("d"), "larger than everything"


def test_nearer_tiers_keep_what_farther_ones_gave() -> None:
    near, far = MemoryStore(), MemoryStore()
    far.put(KEY, values()["image"])
    assert Tiers((near, far)).get(KEY) is not None and near.has(KEY)


def test_the_disk_stays_below_its_limit(tmp_path: Path) -> None:
    disk = Disk(tmp_path, limit=10_000)
    for number in range(40):
        disk.put(f"{number:064x}", bytes(900))
        os.utime(next(tmp_path.rglob(f"{number:064x}.entry")), (number, number))
        disk.get(f"{0:064x}")  # read again and again, so it stays
    assert sum(entry.size for entry in disk.entries()) <= 10_000
    assert disk.has(f"{0:064x}") and disk.has(f"{39:064x}") and not disk.has(f"{1:064x}")
    disk.put("ff" * 32, bytes(6_000))
    assert not disk.has("ff" * 32), "more than half of all there is"
    assert disk.trouble is None


def test_what_was_abandoned_is_swept_away(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.put(KEY, b"x")
    old, new = (tmp_path / "v1" / "ab" / name for name in ("old.part", "new.part"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    disk.prune(1 << 30)
    assert (old.exists(), new.exists(), disk.has(KEY)) == (False, True, True)


def test_a_full_disk_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(tmp_path)
    store = open_store(disk)
    store.put(KEY, values()["image"])
    writes = []

    def full(source: Any, target: Any) -> None:
        writes.append(target)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    for number in range(3):
        store.put(f"{number:064x}", values()["image"])
    assert disk.trouble == "No space left on device"
    assert len(writes) == 1 and not list(tmp_path.rglob("*.part"))
    assert equal(values()["image"], open_store(disk).get(KEY)), "what is there is still read"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind")
def test_a_folder_that_can_only_be_read(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.put(KEY, b"x")
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    (tmp_path / "v1").chmod(stat.S_IRUSR | stat.S_IXUSR)
    later = Disk(tmp_path)
    assert later.get(KEY) == b"x"
    later.put("00" * 32, b"y")
    assert later.trouble == "Permission denied"


KILLED = """
import os, sys
from pathlib import Path
from mosaic.runtime.cache.disk import Disk
disk = Disk(Path(sys.argv[1]), limit=200_000)
print("ready", flush=True)
number = int(sys.argv[2])
while True:
    number += 1
    disk.put(f"{number:064x}", number.to_bytes(8, "little") * 1000)
"""


def test_killed_at_any_point_it_stays_whole(tmp_path: Path) -> None:
    """Two writers at once, killed without warning, again and again: whatever is there is whole."""
    for turn in range(6):
        command = [sys.executable, "-c", KILLED, str(tmp_path)]
        writers = [
            subprocess.Popen([*command, str(turn * 10**6 + start)], stdout=subprocess.PIPE)
            for start in (0, 500_000)
        ]
        for writer in writers:
            assert writer.stdout is not None and writer.stdout.readline()
        time.sleep(0.05 + 0.03 * turn)
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            assert writer.stdout is not None
            writer.stdout.close()
    disk = Disk(tmp_path, limit=200_000)
    found = list(disk.entries())
    assert found
    for entry in found:
        assert disk.get(entry.key) == int(entry.key, 16).to_bytes(8, "little") * 1000
    disk.put("00" * 32, b"x")
    assert disk.trouble is None
    assert sum(entry.size for entry in disk.entries()) <= 200_000


# The engine


@pytest.fixture
def cached(operators: Any, tmp_path: Path) -> Any:
    """Makes engines that use one folder."""

    def make(**more: Any) -> Engine:
        return Engine(
            locate=lambda file: Path(file.location),
            operators=operators,
            device="cpu",
            store=open_store(Disk(tmp_path / "cache")),
            **more,
        )

    return make


def chain(build: Any, tiny: Any, lora: Any = None, **settings: Any) -> Any:
    """Sampled, refined, decoded and written."""
    model = build.load(tiny.expert)
    prompts = build.prompts(model)
    latent = build.sample(model, prompts, scheduler="unipc", seed=settings.pop("seed", 7))
    latent = build.refine(model, latent, prompts, **settings)
    build.emit(build.decode(latent, model), "a.png", "image")
    build.emit(latent, "a.safetensors")
    return build.program()


def written(result: Any) -> list[bytes]:
    return [each.path.read_bytes() for each in result.emitted]


def test_a_warm_run_reads_no_model(
    build: Any, tiny: Any, cached: Any, bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = chain(build, tiny)
    without = bench.engine.run(program, tmp_path / "without")
    cold = cached().run(program, tmp_path / "cold")
    warm = cached()
    monkeypatch.setattr(warm.reader, "path", lambda file: pytest.fail(f"{file.name} is read"))
    second = warm.run(program, tmp_path / "warm")
    assert written(without) == written(cold) == written(second)
    assert (second.evaluations, second.count(Origin.CACHE), second.count(Origin.COMPUTED)) == (0, 2, 0)
    assert [each.source for each in second.timings][:3] == [Origin.UNUSED] * 3
    assert cold.count(Origin.CACHE) == 0


def test_an_edited_last_step_starts_before_it(build: Any, tiny: Any, cached: Any, tmp_path: Path) -> None:
    cached().run(chain(build, tiny), tmp_path / "first")
    edited = chain(type(build)(), tiny, strength=0.75)
    fresh = Engine(locate=lambda file: Path(file.location), operators=cached().operators, device="cpu")
    wanted = fresh.run(edited, tmp_path / "wanted")
    found = cached().run(edited, tmp_path / "found")
    assert written(found) == written(wanted)
    sources = {each.op: each.source for each in found.timings}
    assert (sources["denoise"], sources["refine"]) == (Origin.CACHE, Origin.COMPUTED)
    assert wanted.evaluations - found.evaluations == 4


def test_damage_is_computed_again(build: Any, tiny: Any, cached: Any, tmp_path: Path) -> None:
    program = chain(build, tiny)
    wanted = written(cached().run(program, tmp_path / "first"))
    entries = sorted((tmp_path / "cache").rglob("*.entry"))
    for number, path in enumerate(entries):
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2] if number % 2 else data[:-1] + b"?")
    again = cached().run(program, tmp_path / "again")
    assert written(again) == wanted
    assert again.count(Origin.CACHE) == 0
    assert [path.exists() for path in entries] == [True] * len(entries), "and kept again"
    assert cached().run(program, tmp_path / "third").evaluations == 0


def test_a_run_that_is_cut_is_resumed_from_disk(build: Any, tiny: Any, cached: Any, tmp_path: Path) -> None:
    for name in SCHEDULERS:
        wanted = []
        for through in (False, True):
            made = type(build)()
            model = made.load(tiny.expert)
            prompts = made.prompts(model)
            half = made.sample(model, prompts, scheduler=name, until=0.5)
            made.emit(half, "half.safetensors")
            if through:
                made.emit(made.resume(model, half, prompts), "whole.safetensors")
            result = cached().run(made.program(), tmp_path / name / str(through))
            wanted.append(result)
        assert wanted[1].evaluations == 2, "the half run comes from the disk"
        whole = type(build)()
        model = whole.load(tiny.expert)
        whole.emit(whole.sample(model, whole.prompts(model), scheduler=name), "whole.safetensors")
        uncut = cached().run(whole.program(), tmp_path / name / "uncut")
        tensors = [_latent(each.emitted[-1].path) for each in (wanted[1], uncut)]
        assert torch.equal(*tensors), name


def _latent(path: Path) -> Any:
    from safetensors.torch import load_file

    return load_file(path)["latent"]


def test_programs_run_together_share(build: Any, tiny: Any, bench: Any, tmp_path: Path) -> None:
    programs = [chain(type(build)(), tiny, strength=strength) for strength in (0.5, 0.75, 0.5)]
    programs.append(chain(type(build)(), tiny, seed=8))
    alone = [bench.engine.run(each, tmp_path / f"alone{n}") for n, each in enumerate(programs)]
    together = bench.engine.run_all(programs, [tmp_path / f"both{n}" for n in range(len(programs))])
    assert [written(each) for each in together] == [written(each) for each in alone]
    assert [each.evaluations for each in alone] == [7, 8, 7, 8 - 1]
    assert [each.evaluations for each in together] == [7, 4, 0, 7]
    assert together[2].count(Origin.COMPUTED) == 0
    assert [each.program for each in together] == [each.digest for each in programs]


def test_equal_values_of_one_program_are_computed_once(build: Any, tiny: Any, bench: Any) -> None:
    model = build.load(tiny.expert)
    first, second = (build.sample(model, build.prompts(model)) for _ in range(2))
    build.emit(first, "a.safetensors")
    build.emit(second, "b.safetensors")
    result = bench.run(build)
    assert result.evaluations == 4
    sources = [each.source for each in result.timings]
    assert sources.count(Origin.SHARED) == 3, "the second prompts and the second latent"


def test_models_are_loaded_once_each(build: Any, tiny: Any, tuned: Any, bench: Any, tmp_path: Path) -> None:
    """Programs that alternate between two checkpoints are run in an order in which each is loaded once."""
    programs = [chain(type(build)(), each, seed=seed) for seed in (1, 2) for each in (tiny, tuned)]
    loaded = []
    base = bench.engine.base
    bench.engine.base = lambda expert: (loaded.append(expert.id), base(expert))[1]
    try:
        results = bench.engine.run_all(programs, [tmp_path / str(n) for n in range(4)])
    finally:
        del bench.engine.base
    assert loaded == ["./tiny", "./tuned"]
    assert [each.emitted[0].path.parent.name for each in results] == ["0", "1", "2", "3"]


def test_values_are_let_go_after_their_last_use(
    build: Any, tiny: Any, bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mosaic.runtime.invocation import Invocation

    most = []
    release = Invocation._release

    def watched(self: Any, key: str) -> None:
        most.append(sum(isinstance(each, Latent | Image) for each in self._values.values()))
        release(self, key)

    monkeypatch.setattr(Invocation, "_release", watched)
    programs = [chain(type(build)(), tiny, seed=seed) for seed in range(4)]
    bench.engine.run_all(programs, [tmp_path / str(n) for n in range(4)])
    assert max(most) <= 3


def test_texts_are_read_once_for_all_that_read_alike(
    build: Any, tiny: Any, cached: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mosaic.runtime.families.sd1 import SD1

    program = chain(build, tiny, seed=1)
    cached().run(program, tmp_path / "first")
    monkeypatch.setattr(SD1, "encode_text", lambda *given: pytest.fail("a text is read again"))
    other = cached().run(chain(type(build)(), tiny, seed=2), tmp_path / "second")
    assert other.evaluations == 7


@pytest.mark.parametrize("windowed", [False, True])
def test_dear_fusions_are_kept(
    windowed: bool,
    build: Any,
    tiny: Any,
    tuned: Any,
    cached: Any,
    bench: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mosaic.runtime.cache import overlays

    def program(seed: int) -> Any:
        made = type(build)()
        window = (0.0, 0.5) if windowed else None
        operand = made.operand(tuned.expert, 0.7, window=window)
        look = made.fuse_by("ties", made.load(tiny.expert), operand, density=0.5)
        made.emit(made.sample(look, seed=seed), "a.safetensors")
        return made.program()

    wanted = bench.engine.run(program(2), tmp_path / "wanted")
    monkeypatch.setattr(overlays.work_out, "__kwdefaults__", {"dear": 0.0})
    cached().run(program(1), tmp_path / "first")
    engine = cached()
    facts, ties = engine.numerics(), engine.operators["ties"]
    refuse = replace(ties, kernel=lambda *given, **more: pytest.fail("it is computed again"))
    monkeypatch.setitem(engine.operators, "ties", refuse)
    monkeypatch.setattr("mosaic.runtime.engine.numerics", lambda device, operators: facts)
    found = engine.run(program(2), tmp_path / "found")
    assert written(found) == written(wanted)
    assert found.evaluations == 4
