"""Runs of several programs as rows of one batch: the same up to floating point, where it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mosaic.compiler.program import Program
from mosaic.compiler.source import SourceFile
from mosaic.project import Project, engine
from mosaic.runtime.batching import batches
from mosaic.runtime.cache.disk import Disk
from mosaic.runtime.denoise import SCHEDULERS
from mosaic.runtime.evaluate import ROWS_AT_ONCE
from mosaic.runtime.jobs import Job
from mosaic.runtime.origin import Origin
from mosaic.runtime.results import RunResult
from mosaic.runtime.rows import Apart, joined, parted
from mosaic.runtime.values import Latent, Run

PLAN = """mosaic 1
plan p {{
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")
  let hat = lora("zoo/hat")
  let left = rect(0%, 0%, 50%, 100%)
  let look = {look}
  let words = "a {what}, {{neon}}"
  let run = sample(look, prompt: words, steps: 6, size: 16x16, seed: {seed}, scheduler: "{scheduler}", until: {until})
  emit run as "a.safetensors"
{more}
}}
"""
LOOK = "fuse(base, neon, hat * 0.5, via: sum)"
MIX = "fuse(base, neon in left, hat * 0.5, via: composite)"
REST = """  let rest = resume(look, run)
  emit rest as "b.safetensors"
  let again = refine(look, rest, prompt: words, strength: 50%, steps: 4, seed: {seed}, scheduler: "{scheduler}")
  emit again as "c.safetensors"
"""


def program(folder: Path, **given: object) -> Program:
    told = {"look": LOOK, "what": "cat", "seed": 1, "scheduler": "ddim", "until": "100%", "more": "", **given}
    told["more"] = str(told["more"]).format(**told)
    source = SourceFile(str(folder / "p.mosaic"), PLAN.format(**told))
    (found,) = Project().compile(source).programs
    return found


def latents(results: Sequence[RunResult]) -> list[torch.Tensor]:
    return [load_file(each.path)["latent"] for result in results for each in result.emitted]


def run(worker: object, programs: Sequence[Program], folder: Path) -> list[RunResult]:
    return worker.run_all(programs, [folder / str(n) for n in range(len(programs))])  # type: ignore[attr-defined]


def evaluations(results: Sequence[RunResult]) -> int:
    return sum(result.evaluations for result in results)


@pytest.mark.parametrize(
    ("scheduler", "look"), [*((name, LOOK) for name in SCHEDULERS), ("ddim", MIX), ("euler_a", MIX)]
)
def test_rows_are_what_they_are_alone(scheduler: str, look: str, tmp_path: Path) -> None:
    """Seeds and prompts of their own, cut, resumed and refined: a batch draws them all, each with its own noise."""
    programs = [
        program(tmp_path, look=look, seed=seed, what=what, scheduler=scheduler, until="50%", more=REST)
        for seed, what in ((1, "cat"), (2, "dog"), (3, "cat"))
    ]
    alone = run(engine(device="cpu"), programs, tmp_path / "alone")
    batched = run(engine(device="cpu", batch=16), programs, tmp_path / "batched")
    for one, other in zip(latents(alone), latents(batched), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
    assert evaluations(batched) < evaluations(alone) / 2
    assert sum(result.rows for result in alone) == sum(result.rows for result in batched)
    assert all(len(result.batched) == 3 for result in batched)
    assert not any(result.batched for result in alone)


def test_fewer_and_larger_calls(tmp_path: Path) -> None:
    programs = [program(tmp_path, seed=seed) for seed in range(8)]
    counts = {
        batch: evaluations(run(engine(device="cpu", batch=batch), programs, tmp_path / str(batch)))
        for batch in (None, 1, 2, 4, 16)
    }
    # With and without a prompt: two rows of one call, or two calls of rows that are too many for one.
    assert counts == {None: 6 * 8, 1: 2 * 6 * 8, 2: 2 * 6 * 4, 4: 2 * 6 * 2, 16: 6}


def test_what_has_no_fellow_is_as_ever(tmp_path: Path) -> None:
    """To the bit, with as many rows at once as there are without batches, and found again in the cache."""
    one = program(tmp_path, seed=7, more=REST, until="50%")
    plain = run(engine(device="cpu", cache=Disk(tmp_path / "cache")), [one], tmp_path / "plain")
    asked = engine(device="cpu", batch=ROWS_AT_ONCE, cache=Disk(tmp_path / "cache"))
    again = run(asked, [one], tmp_path / "asked")
    assert [e.path.read_bytes() for e in plain[0].emitted] == [e.path.read_bytes() for e in again[0].emitted]
    assert (again[0].evaluations, again[0].batched) == (0, ())
    # Calls of another size round otherwise: they are kept apart.
    assert (
        evaluations(run(engine(device="cpu", batch=1, cache=Disk(tmp_path / "cache")), [one], tmp_path / "b"))
        > 0
    )


def test_nothing_of_a_batch_is_cached(tmp_path: Path) -> None:
    """Neither read nor kept, and a run alone among them is: the bytes are the same, whatever the cache holds."""
    programs = [program(tmp_path, seed=seed, more=REST, until="50%") for seed in (1, 2)]
    programs.append(program(tmp_path, seed=3, scheduler="euler"))
    first = run(engine(device="cpu", batch=16), programs, tmp_path / "none")
    run(engine(device="cpu", cache=Disk(tmp_path / "cache")), programs, tmp_path / "exact")
    for name in ("cold", "warm"):
        found = run(engine(device="cpu", batch=16, cache=Disk(tmp_path / "cache")), programs, tmp_path / name)
        assert [bool(torch.equal(*pair)) for pair in zip(latents(first), latents(found), strict=True)] == [
            True
        ] * 7
        assert [result.count(Origin.CACHE) for result in found] == [0, 0, 1]
    exact = run(engine(device="cpu"), programs, tmp_path / "alone")
    kept = run(engine(device="cpu", cache=Disk(tmp_path / "cache")), programs, tmp_path / "kept")
    assert evaluations(kept) == 0
    assert [e.sha256 for r in kept for e in r.emitted] == [e.sha256 for r in exact for e in r.emitted]


@pytest.mark.parametrize("scheduler", ["euler_a", "unipc"])
def test_batches_go_on_from_shorter_ones(scheduler: str, tmp_path: Path) -> None:
    cells = [(seed, until) for until in ("100%", "50%") for seed in (1, 2, 3)]
    programs = [program(tmp_path, seed=seed, until=until, scheduler=scheduler) for seed, until in cells]
    alone = run(engine(device="cpu"), programs, tmp_path / "alone")
    batched = run(engine(device="cpu", batch=16), programs, tmp_path / "batched")
    for one, other in zip(latents(alone), latents(batched), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
    assert (evaluations(alone), evaluations(batched)) == (18, 6)


def test_what_is_apart_stays_apart(tmp_path: Path) -> None:
    """Other models, sizes, steps and places of prompts; runs of which one needs the other."""
    again = """  emit refine(look, run, prompt: words, steps: 6, seed: 9) as "b.safetensors"
  let once = refine(look, run, prompt: words, steps: 6)
  emit once as "c.safetensors"
  emit refine(look, once, prompt: words, steps: 6) as "d.safetensors"
"""
    programs = [
        program(tmp_path, more=again),
        program(tmp_path, look="fuse(base, neon, via: sum)"),
        program(tmp_path, scheduler="euler"),
        program(tmp_path, until="50%"),
    ]
    worker = engine(device="cpu", batch=16)
    jobs = [Job.of(worker, each, tmp_path, {}) for each in programs]
    found = batches(jobs, 16)
    (batch,) = dict.fromkeys(found.of.values())
    assert {member.operation.op for member in batch} == {"refine"} and len(batch) == 2
    assert batches(jobs, None).of == batches(jobs, 1).of == {}
    alone = run(engine(device="cpu"), programs, tmp_path / "alone")
    batched = run(worker, programs, tmp_path / "batched")
    for one, other in zip(latents(alone), latents(batched), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
    assert [result.batched for result in batched] == [
        ("b.safetensors", "c.safetensors", "d.safetensors"),
        (),
        (),
        (),
    ]


def test_models_that_listen_to_the_prompt_run_alone(tmp_path: Path) -> None:
    look = "fuse(base, neon, hat, via: switch(aware: true))"
    programs = [program(tmp_path, look=look, what=what) for what in ("cat", "dog in a {hat}")]
    alone = run(engine(device="cpu"), programs, tmp_path / "alone")
    batched = run(engine(device="cpu", batch=16), programs, tmp_path / "batched")
    assert [bool(torch.equal(*p)) for p in zip(latents(alone), latents(batched), strict=True)] == [True, True]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_joined_and_parted(scheduler: str, tmp_path: Path) -> None:
    """To the bit, with all that a scheduler keeps."""
    worker = engine(device="cpu")
    kept: list[Latent] = []

    class Keeping:
        def has(self, key: str) -> bool:
            return False

        def get(self, key: str) -> None:
            return None

        def put(self, key: str, value: object) -> None:
            if isinstance(value, Latent):
                kept.append(value)

        def note(self, numerics: object) -> None:
            pass

    worker.store = Keeping()
    run(worker, [program(tmp_path, seed=s, scheduler=scheduler, until="50%") for s in (1, 2, 3)], tmp_path)
    assert len(kept) == 3
    for one, other in zip(kept, parted(joined(kept)), strict=True):
        assert torch.equal(one.sample, other.sample)
        assert one.clean is not None and other.clean is not None and torch.equal(one.clean, other.clean)
        assert isinstance(one.run, Run) and isinstance(other.run, Run)
        assert torch.equal(one.run.generator, other.run.generator)
        assert vars(one.run.scheduler).keys() == vars(other.run.scheduler).keys()
        for name, value in vars(one.run.scheduler).items():
            assert _same(value, vars(other.run.scheduler)[name]), name
    with pytest.raises(Apart):
        joined([kept[0], Latent(kept[1].sample, None)])
    with pytest.raises(Apart):
        joined([kept[0], Latent(kept[1].sample[..., :-1], kept[1].run)])


def _same(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
