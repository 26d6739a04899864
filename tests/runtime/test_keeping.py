"""Models of an invocation within a limit of bytes: the same files, and no more made again than have to be."""

from __future__ import annotations

import gc
import random
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mosaic.compiler.program import Program
from mosaic.runtime.devices import choose
from mosaic.runtime.engine import Engine
from mosaic.runtime.jobs import Job
from mosaic.runtime.keeping import Kept, Schedule, room, schedule
from mosaic.runtime.values import Model
from mosaic.runtime.weights import Overlay

UNIT = 4


@pytest.fixture(scope="module")
def base(tiny: Any, operators: Any) -> Model:
    worker = Engine(locate=lambda file: Path(file.location), operators=operators, device="cpu")
    return Model.of(worker.base(tiny.expert))


def fused(base: Model) -> Model:
    """A model that takes one unit of memory beside its base."""
    return replace(base, overlay=Overlay({"x": lambda: torch.zeros(UNIT // 4)}).settle())


def least_recently_used(trace: Sequence[int], most: int) -> int:
    """How often a value is made, where the one that was used longest ago goes."""
    kept: OrderedDict[int, None] = OrderedDict()
    made = 0
    for each in trace:
        made += each not in kept
        kept[each] = None
        kept.move_to_end(each)
        if len(kept) > most:
            kept.popitem(last=False)
    return made


@given(trace=st.lists(st.integers(0, 7), max_size=60), most=st.integers(1, 5))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_more_is_made_again_than_by_least_recent_use(trace: list[int], most: int, base: Model) -> None:
    """Any sequence of uses, any number of models that there is room for: never more than LRU makes again, and never
    more in memory than there is room for."""
    times = Schedule({f"use {at}": at for at in range(len(trace))})
    for at, each in enumerate(trace):
        times.uses.setdefault(str(each), []).append(at)
    alone = Kept(1 << 40, Schedule())
    alone.put("base", base)
    kept = Kept(alone.used + most * UNIT, times)
    made = 0
    for at, each in enumerate(trace):
        kept.reach(f"use {at}")
        if str(each) not in kept:
            made += 1
            kept.put(str(each), fused(base))
        assert kept.used <= alone.used + most * UNIT
    assert made <= least_recently_used(trace, most)


def test_the_furthest_goes_first(base: Model) -> None:
    times = Schedule({"now": 0}, {"soon": [1, 9], "late": [5], "never": [0]})
    for last, gone in (("never", "never"), ("other", "late")):
        kept = Kept(0, times)
        kept._limit = 1 << 40
        for key in ("soon", "late", last):
            kept.put(key, fused(base))
        kept.reach("now")
        kept._limit = kept.used
        kept.put("new", fused(base))
        missing = [key for key in ("soon", "late", last) if key not in kept]
        assert missing == [gone if last == "never" else "other"]
        assert kept.evicted == 1


def test_what_others_were_made_of_stays(base: Model) -> None:
    kept = Kept(0, Schedule())
    kept.put("base", base)
    kept.put("look", fused(base), ["base"])
    kept.put("more", fused(base), ["look"])
    assert "base" in kept and "look" in kept and "more" in kept
    kept.drop("more")
    kept.put("other", fused(base), ["base"])
    assert "base" in kept and "look" not in kept
    kept.drop("other")
    kept.drop("base")
    assert kept.used == 0


def test_memory_that_models_share_counts_once(base: Model) -> None:
    kept = Kept(1 << 40, Schedule())
    kept.put("base", base)
    whole = kept.used
    assert whole > 1000
    look = fused(base)
    kept.put("look", look)
    kept.put("again", replace(look))
    assert kept.used == whole + UNIT
    kept.drop("look")
    assert kept.used == whole + UNIT
    kept.drop("again")
    kept.drop("base")
    assert kept.used == 0


def test_half_of_the_memory_unless_told() -> None:
    assert room(choose("cpu", "auto")) > 1 << 28


LOOKS = (
    "fuse(base, neon)",
    "fuse(base, hat * 0.5, via: ties(density: 0.5))",
    "fuse(fuse(base, neon), hat * 0.5)",
    "fuse(base, neon during 0%..50%, hat)",
    "fuse(robot, neon * 0.5)",
    "fuse(fuse(base, hat), neon in left, hat * 0.5, via: composite)",
    "fuse(fuse(base, hat), robot * 0.3, fuse(fuse(base, hat), neon during 0%..50%) * 0.2, via: guidance)",
    "fuse(base, fuse(robot, neon) * 0.5, via: switch)",
)
PLAN = """mosaic 1
plan p {{
  let base = checkpoint("zoo/base")
  let robot = checkpoint("zoo/robot")
  let neon = lora("zoo/neon")
  let hat = lora("zoo/hat")
  let left = rect(0%, 0%, 50%, 100%)
  emit sample({look}, prompt: "a cat", steps: 2, size: 8x8, seed: {seed}) as "p.png"
  emit sample({other}, prompt: "a dog", steps: 2, size: 8x8, seed: {seed}) as "q.safetensors"
}}
"""


def programs(random: random.Random, count: int) -> list[Program]:
    from mosaic.compiler.source import SourceFile
    from mosaic.project import Project

    project = Project()
    texts = [
        PLAN.format(look=random.choice(LOOKS), other=random.choice(LOOKS), seed=random.randrange(3))
        for _ in range(count)
    ]
    return [project.compile(SourceFile("<test>", text)).programs[0] for text in texts]


def files(worker: Engine, found: Sequence[Program], folder: Path) -> list[bytes]:
    results = worker.run_all(found, [folder / str(n) for n in range(len(found))])
    return [each.path.read_bytes() for result in results for each in result.emitted]


@pytest.mark.parametrize("seed", range(3))
def test_the_same_files_within_any_limit(seed: int, operators: Any, tmp_path: Path) -> None:
    """Programs that share models of two checkpoints, in any order; little room and none at all."""
    from mosaic.project import engine

    found = programs(random.Random(seed), 4)
    free = engine(device="cpu")
    wanted = files(free, found, tmp_path / "free")
    assert free.evicted == 0
    evicted = []
    for keep in (0, 20_000_000):
        tight = engine(device="cpu")
        tight.keep = keep
        assert files(tight, found, tmp_path / str(keep)) == wanted
        evicted.append(tight.evicted)
    assert evicted[0] > 0


def test_a_model_is_made_again_when_its_turn_comes(tmp_path: Path) -> None:
    """Two looks in turn, room for one of them: what is let go is the one that is needed later."""
    from mosaic.compiler.source import SourceFile
    from mosaic.project import Project, engine

    texts = [PLAN.format(look=LOOKS[0], other=LOOKS[1], seed=seed) for seed in range(3)]
    found = [Project().compile(SourceFile("<test>", text)).programs[0] for text in texts]
    free, tight = engine(device="cpu"), engine(device="cpu")
    tight.keep = 0
    assert files(tight, found, tmp_path / "tight") == files(free, found, tmp_path / "free")
    # Used in turn, a b a b a b: each but the last a, which nothing needs any more, makes room for the next.
    assert (free.evicted, tight.evicted) == (0, 4)
    jobs = [Job.of(free, program, tmp_path, {}) for program in found]
    told = schedule(jobs, {key for job in jobs for key in job.keys})
    looks = [key for key, done in zip(jobs[0].keys, jobs[0].operations, strict=True) if done.op == "fuse"]
    assert [len(told.uses[look]) for look in looks] == [3, 3]


def test_programs_share_the_adapters_beside_a_base(operators: Any, tmp_path: Path) -> None:
    """A model that another program made, in a model with the same adapter: rows in the batches that they have alone."""
    from mosaic.compiler.source import SourceFile
    from mosaic.project import Project, engine

    beside = "fuse(base, neon * 0.5, hat, via: guidance)"
    texts = [PLAN.format(look=beside, other=LOOKS[0], seed=1)]
    texts.append(
        PLAN.format(look=f"fuse(base, neon * 0.5, {beside} * 0.3, via: guidance)", other=LOOKS[0], seed=1)
    )
    found = [Project().compile(SourceFile("<test>", text)).programs[0] for text in texts]
    alone = [
        each for n, p in enumerate(found) for each in files(engine(device="cpu"), [p], tmp_path / str(n))
    ]
    assert files(engine(device="cpu"), found, tmp_path / "both") == alone


@pytest.mark.parametrize("look", LOOKS)
def test_models_go_at_once(look: str, tmp_path: Path) -> None:
    """With their last use, and not when the collector comes by: they are the largest things in memory."""
    from mosaic.compiler.source import SourceFile
    from mosaic.project import Project, engine

    made: weakref.WeakSet[Overlay] = weakref.WeakSet()
    whole, counted = Overlay.__init__, []

    def watched(self: Overlay, *given: Any) -> None:
        whole(self, *given)
        made.add(self)
        counted.append(1)

    program = Project().compile(SourceFile("<test>", PLAN.format(look=look, other=look, seed=1))).programs[0]
    worker = engine(device="cpu")
    gc.collect()
    gc.disable()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Overlay, "__init__", watched)
            patch.setattr(Overlay, "__hash__", object.__hash__, raising=False)
            worker.run(program, tmp_path)
        assert counted and not list(made) and not worker.adapters
    finally:
        gc.enable()
