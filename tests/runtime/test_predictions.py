"""Predictions of one kind become those of another; noise levels are matched."""

from __future__ import annotations

import math
from typing import Any

import diffusers
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.runtime.predictions import Clock, Level, as_read, convert, from_clean, level_of, to_clean

KINDS = ("epsilon", "v", "flow")
RATIOS = st.floats(0.02, 80)


def noisy(ratio: float, seed: int) -> tuple[Any, Any, Any, Level]:
    """A clean latent, noise, and their mixture at a level, in float64."""
    generator = torch.Generator().manual_seed(seed)
    clean, noise = (torch.randn(2, 4, 3, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    level = Level(ratio)
    return clean, noise, level.alpha * clean + level.sigma * noise, level


def true_prediction(kind: str, clean: Any, noise: Any, level: Level) -> Any:
    """What a perfect denoiser of a kind says, by its definition."""
    if kind == "epsilon":
        return noise
    if kind == "v":
        return level.alpha * noise - level.sigma * clean
    return noise - clean


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("source", KINDS)
@settings(max_examples=40, deadline=None)
@given(ratio=RATIOS, seed=st.integers(0, 1000))
def test_a_perfect_prediction_of_one_kind_becomes_that_of_another(
    source: str, target: str, ratio: float, seed: int
) -> None:
    clean, noise, sample, level = noisy(ratio, seed)
    found = convert(true_prediction(source, clean, noise, level), sample, level, source, target)
    wanted = true_prediction(target, clean, noise, level)
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6 * max(1, ratio, 1 / ratio))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(ratio=RATIOS, seed=st.integers(0, 1000))
def test_there_and_back(kind: str, ratio: float, seed: int) -> None:
    clean, noise, sample, level = noisy(ratio, seed)
    torch.testing.assert_close(
        to_clean(from_clean(clean, sample, level, kind), sample, level, kind),
        clean,
        rtol=1e-6,
        atol=1e-6 * max(1, ratio),
    )
    predicted = true_prediction(kind, clean, noise, level)
    assert convert(predicted, sample, level, kind, kind) is predicted


def test_a_flow_model_reads_its_own_path() -> None:
    clean, noise, sample, level = noisy(1.7, 3)
    time = level.time
    torch.testing.assert_close(as_read(sample, level, "flow"), (1 - time) * clean + time * noise)
    assert as_read(sample, level, "v") is sample


def test_blending_unconverted_is_far_off() -> None:
    clean, noise, sample, level = noisy(1.0, 4)
    v = true_prediction("v", clean, noise, level)
    right = (noise + convert(v, sample, level, "v", "epsilon")) / 2
    wrong = (noise + v) / 2
    torch.testing.assert_close(right, noise)
    assert float((wrong - right).norm() / right.norm()) > 0.3


@pytest.mark.parametrize(
    "kind",
    ["DDIMScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler", "UniPCMultistepScheduler"],
)
def test_levels_are_those_of_the_schedulers(kind: str) -> None:
    """The clean latent that the scheduler works with is the one that the level gives."""
    scheduler = getattr(diffusers, kind)(prediction_type="v_prediction", beta_schedule="linear")
    scheduler.set_timesteps(7)
    for index in (0, 3, 6):
        level = level_of(scheduler, index)
        time = float(scheduler.timesteps[index])
        kept = scheduler.alphas_cumprod[round(time)]
        assert level.alpha == pytest.approx(math.sqrt(kept), rel=5e-3)
        assert level.alpha**2 + level.sigma**2 == pytest.approx(1)


def test_a_clock_finds_the_time_of_a_level() -> None:
    betas = torch.linspace(1e-4, 0.02, 1000)
    clock = Clock.of(betas)
    kept = (1 - betas.double()).cumprod(0)
    for time in (0, 17, 500, 999):
        level = Level(float(((1 - kept[time]) / kept[time]).sqrt()))
        assert clock.time(level) == pytest.approx(time, abs=1e-6)
    between = Level(math.sqrt(float(clock.ratios[10] * clock.ratios[11])))
    assert clock.time(between) == pytest.approx(10.5, abs=1e-6)
    assert (clock.time(Level(1e-9)), clock.time(Level(1e9))) == (0.0, 999.0)


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="sample"):
        to_clean(torch.zeros(1), torch.zeros(1), Level(1.0), "sample")
    with pytest.raises(ValueError, match="sample"):
        from_clean(torch.zeros(1), torch.zeros(1), Level(1.0), "sample")
