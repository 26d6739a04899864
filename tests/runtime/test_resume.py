"""A run that is cut and resumed takes exactly the steps of the uncut run."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mosaic.compiler.diagnostic import MosaicError
from mosaic.runtime.denoise import SCHEDULERS, steps_until

STEPS = 5


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


def test_another_model_takes_over(tiny: Any, tuned: Any, velocity: Any, bench: Any, build: Any) -> None:
    first, second, third = (build.load(folder.expert) for folder in (tiny, tuned, velocity))
    mine, theirs, others = (build.prompts(model) for model in (first, second, third))
    half = build.sample(first, mine, scheduler="dpmpp_2m", until=0.5)
    same = build.resume(first, half, mine)
    tuned_on = build.resume(second, half, theirs)
    velocity_on = build.resume(third, half, others)
    same_again = build.resume(first, half, mine)
    values = bench.latents(build, same, tuned_on, velocity_on, same_again)
    assert torch.equal(values[0], values[3])
    assert not torch.equal(values[0], values[1])
    # An epsilon network read as v, or the reverse, ends far outside what latents are.
    assert values[2].abs().max() < 20


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
