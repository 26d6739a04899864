"""A run that is cut and resumed takes exactly the steps of the uncut run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.program import Denoise, Resume
from mosaic.compiler.steps import steps_until
from mosaic.runtime.denoise import SCHEDULERS, Denoising, resume, sample
from mosaic.runtime.devices import choose
from mosaic.runtime.evaluate import Meter
from mosaic.runtime.families import families
from mosaic.runtime.files import Reader
from mosaic.runtime.values import Conditioning, Model, Prompt

STEPS = 5


def no_mask(index: int) -> torch.Tensor:
    raise AssertionError(f"no program here has pictures, and picture {index} was asked for")


@pytest.mark.parametrize("cut", range(1, STEPS))
@pytest.mark.parametrize("name", SCHEDULERS)
def test_any_cut_equals_no_cut(name: str, cut: int, tiny: Any, bench: Any, build: Any) -> None:
    model = build.load(tiny.expert)
    prompts = build.prompts(model)
    whole = build.sample(model, prompts, scheduler=name, steps=STEPS)
    half = build.sample(model, prompts, scheduler=name, steps=STEPS, until=cut / STEPS)
    # Twice from one latent: a shared scheduler or generator would spoil the second.
    first = build.resume(model, half, prompts)
    second = build.resume(model, half, prompts)
    whole, half, first, second = bench.latents(build, whole, half, first, second)
    assert torch.equal(whole, first)
    assert torch.equal(whole, second)
    assert not torch.equal(whole, half)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_step_by_step_equals_at_once(name: str, tiny: Any, bench: Any, build: Any) -> None:
    model = build.load(tiny.expert)
    prompts = build.prompts(model)
    whole = build.sample(model, prompts, scheduler=name, steps=STEPS)
    latent = build.sample(model, prompts, scheduler=name, steps=STEPS, until=1 / STEPS)
    latent = build.resume(model, latent, prompts, steps=1)
    latent = build.resume(model, latent, prompts, until=0.8)
    latent = build.resume(model, latent, prompts, steps=3)
    whole, latent = bench.latents(build, whole, latent)
    assert torch.equal(whole, latent)


def test_another_model_takes_over(tiny: Any, tuned: Any, bench: Any, build: Any) -> None:
    first, second = (build.load(folder.expert) for folder in (tiny, tuned))
    mine, theirs = (build.prompts(model) for model in (first, second))
    half = build.sample(first, mine, scheduler="dpmpp_2m", until=0.5)
    same = build.resume(first, half, mine)
    tuned_on = build.resume(second, half, theirs)
    same_again = build.resume(first, half, mine)
    values = bench.latents(build, same, tuned_on, same_again)
    assert torch.equal(values[0], values[2])
    assert not torch.equal(values[0], values[1])


@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_model_s_own_prediction_kind_counts(name: str, velocity: Any) -> None:
    reader = Reader(lambda file: Path(file.location))
    model = Model.of(families()["sd1"].load(velocity.expert, reader, choose("cpu", "auto"), {}))
    positive, negative = (Conditioning((Prompt(text),)) for text in ("a cat", ""))
    work = Denoising(model, positive, negative, Meter(), no_mask)
    wanted = {"model": 0, "positive": 0, "negative": 0, "guidance": 2.0}
    start = Denoise(**wanted, steps=4, width=16, height=16, seed=1, scheduler=name, until=0.5)
    half = sample(work, start)
    # As if a model that predicts noise had left it half-way.
    assert half.run is not None
    half.run.scheduler.register_to_config(prediction_type="epsilon")
    resumed = resume(work, half, Resume(**wanted, latent=0))
    whole = sample(work, start.model_copy(update={"until": 1.0}))
    assert torch.equal(resumed.sample, whole.sample)


def test_guidance_of_one_needs_no_negative(tiny: Any, bench: Any, build: Any) -> None:
    model = build.load(tiny.expert)
    prompts = build.prompts(model)
    other = {**prompts, "negative": build.text(model, "a blue dog")}
    plain = build.sample(model, prompts, guidance=1.0)
    same = build.sample(model, other, guidance=1.0)
    different = build.sample(model, other, guidance=3.0)
    plain, same, different = bench.latents(build, plain, same, different)
    assert torch.equal(plain, same)
    assert not torch.equal(plain, different)


@pytest.mark.parametrize(
    ("fraction", "total", "steps"),
    [(0.5, 20, 10), (0.5, 5, 3), (0.3, 10, 3), (1.0, 7, 7), (0.01, 20, 0), (0.29, 100, 29), (0.7, 10, 7)],
)
def test_fractions_become_whole_steps(fraction: float, total: int, steps: int) -> None:
    assert steps_until(fraction, total) == steps


def raises(bench: Any, build: Any, code: str) -> str:
    with pytest.raises(MosaicError) as caught:
        bench.run(build)
    assert [d.code for d in caught.value.diagnostics] == [code]
    return caught.value.diagnostics[0].message()


def test_nothing_left_to_resume(tiny: Any, bench: Any, build: Any) -> None:
    model = build.load(tiny.expert)
    prompts = build.prompts(model)
    build.resume(model, build.sample(model, prompts), prompts)
    assert "step 4 of 4" in raises(bench, build, "M457")


def test_too_little_to_refine(tiny: Any, bench: Any, build: Any) -> None:
    model = build.load(tiny.expert)
    prompts = build.prompts(model)
    build.refine(model, build.sample(model, prompts), prompts, strength=0.1, steps=6)
    assert "0.1 of 6 steps" in raises(bench, build, "M457")


def test_a_cut_latent_is_not_refined(tiny: Any, bench: Any, build: Any) -> None:
    model = build.load(tiny.expert)
    prompts = build.prompts(model)
    build.refine(model, build.sample(model, prompts, until=0.5), prompts)
    assert "step 2 of 4" in raises(bench, build, "M458")
