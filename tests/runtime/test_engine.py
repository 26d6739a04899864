"""The engine against diffusers' own pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    UniPCMultistepScheduler,
)

from mosaic.runtime.engine import Engine

SCHEDULERS = {
    "ddim": DDIMScheduler,
    "euler": EulerDiscreteScheduler,
    "euler_a": EulerAncestralDiscreteScheduler,
    "dpmpp_2m": DPMSolverMultistepScheduler,
    "unipc": UniPCMultistepScheduler,
}


def noise(seed: int) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("source", ["tiny", "velocity"])
def test_sampling_equals_diffusers(name: str, source: str, bench: Any, build: Any, request: Any) -> None:
    folder = request.getfixturevalue(source)
    model = build.load(folder.expert)
    ours = bench.latent(build, build.sample(model, scheduler=name, steps=5))
    oracle = folder.pipeline()
    oracle.scheduler = SCHEDULERS[name].from_config(oracle.scheduler.config)
    theirs = oracle(
        "a red cat",
        negative_prompt="",
        num_inference_steps=5,
        guidance_scale=3.0,
        width=16,
        height=16,
        generator=noise(7),
        output_type="latent",
    ).images
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_refining_equals_diffusers(name: str, strength: float, tiny: Any, bench: Any, build: Any) -> None:
    model = build.load(tiny.expert)
    prompts = build.prompts(model)
    clean = build.sample(model, prompts)
    refined = build.refine(model, clean, prompts, strength=strength, scheduler=name)
    start, ours = bench.latents(build, clean, refined)
    oracle = tiny.pipeline(StableDiffusionImg2ImgPipeline)
    oracle.scheduler = SCHEDULERS[name].from_config(oracle.scheduler.config)
    theirs = oracle(
        "a red cat",
        image=start,
        negative_prompt="",
        strength=strength,
        num_inference_steps=6,
        guidance_scale=3.0,
        generator=noise(3),
        output_type="latent",
    ).images
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_near(dtype: Any, tiny: Any, bench: Any, build: Any, operators: Any) -> None:
    model = build.load(tiny.expert)
    latent = build.sample(model)
    exact = bench.latent(build, latent)
    half = Engine(locate=lambda file: Path(file.location), operators=operators, device="cpu", dtype=dtype)
    bench.engine = half
    assert half.run(build.program(), bench.folder / "half").dtype == dtype
    near = bench.latent(type(build)(build.experts, [], build.instructions[:-1]), latent)
    assert not torch.equal(near, exact)
    torch.testing.assert_close(near, exact, rtol=0.1, atol=0.1)
