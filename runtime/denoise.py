"""The denoising loop, on diffusers' schedulers.

Conditional and unconditional rows go through the denoiser in one batch, unconditional first
(classifier-free guidance, Ho & Salimans 2022, arXiv:2207.12598). All noise comes from a CPU generator
seeded per sample, so that a seed means the same noise on every device. The state of a run travels in its
latent: a run cut after any step and resumed takes exactly the steps of the uncut run.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import diffusers
import torch

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import (
    LatentDoesNotFit,
    NotFinite,
    NothingToDenoise,
    NotResumable,
    SettingOutOfRange,
    UnknownScheduler,
    UnreadableConfiguration,
    UnsupportedSize,
)
from mosaic.compiler.program import Denoise, Refine, Resume
from mosaic.compiler.steps import steps_taken, steps_until
from mosaic.runtime.values import Conditioning, Latent, Model, Run
from mosaic.runtime.weights import wearing

SCHEDULERS: Mapping[str, tuple[Any, Mapping[str, Any]]] = MappingProxyType(
    {
        # Song et al. 2021, arXiv:2010.02502, with eta 0.
        "ddim": (diffusers.DDIMScheduler, {}),
        # Karras et al. 2022, arXiv:2206.00364, algorithm 2 without churn.
        "euler": (diffusers.EulerDiscreteScheduler, {}),
        "euler_a": (diffusers.EulerAncestralDiscreteScheduler, {}),
        # Lu et al. 2022, arXiv:2211.01095.
        "dpmpp_2m": (
            diffusers.DPMSolverMultistepScheduler,
            {"algorithm_type": "dpmsolver++", "solver_order": 2, "solver_type": "midpoint"},
        ),
        # Zhao et al. 2023, arXiv:2302.04867.
        "unipc": (diffusers.UniPCMultistepScheduler, {}),
    }
)

_ANCESTRAL = ("euler_a",)
"""Schedulers that add noise at every step."""

_PREDICTIONS = ("epsilon", "v_prediction")
_UNUSABLE = (TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError, ArithmeticError)
_SEEDS = range(-(1 << 63), 1 << 64)


@dataclass
class Meter:
    """Counts denoiser forward passes and reports steps."""

    evaluations: int = 0
    advance: Callable[[int], None] = lambda done: None


def build_scheduler(name: str, steps: int, config: Mapping[str, Any], model: str) -> Any:
    """A scheduler by name on a model's own noise schedule, set to a number of steps.

    Raises MosaicError: M464 for an unknown name, M460 for more steps than the model was trained with, M860 for a
    noise schedule that the scheduler cannot read.
    """
    if name not in SCHEDULERS:
        raise MosaicError(UnknownScheduler(span=None, name=name, known=", ".join(SCHEDULERS)))
    kind, settings = SCHEDULERS[name]
    try:
        scheduler = kind.from_config(dict(config), **settings)
        trained = scheduler.config.num_train_timesteps
        needed = f"at most {trained}, the steps that the model was trained with"
        _require("steps", steps, steps <= trained, needed)
        if scheduler.config.prediction_type not in _PREDICTIONS:
            raise ValueError(f"unknown prediction type {scheduler.config.prediction_type}")
        scheduler.set_timesteps(steps)
        # Near the number of trained steps, schedules with an offset reach beyond it or stand still.
        first, last = float(scheduler.timesteps[0]), float(scheduler.timesteps[-1])
        moves = steps == 1 or first > last
        _require("steps", steps, first < trained and moves, "smaller for this model's noise schedule")
    except _UNUSABLE as error:
        location = f"scheduler of {model}"
        raise MosaicError(UnreadableConfiguration(span=None, location=location, reason=str(error))) from error
    return scheduler


def sample(
    model: Model, positive: Conditioning, negative: Conditioning, wanted: Denoise, meter: Meter
) -> Latent:
    """Denoise from noise, wholly or until a fraction of the steps."""
    _require_settings(wanted.steps, wanted.guidance, wanted.seed)
    _require("until", wanted.until, 0 < wanted.until <= 1, "above 0 and at most 1")
    factor = model.vae.factor
    if min(wanted.width, wanted.height) <= 0 or wanted.width % factor or wanted.height % factor:
        raise MosaicError(
            UnsupportedSize(span=None, width=wanted.width, height=wanted.height, multiple=factor)
        )
    scheduler = build_scheduler(wanted.scheduler, wanted.steps, model.base.scheduler, model.base.id)
    _begin(scheduler, 0)
    generator = torch.Generator("cpu").manual_seed(wanted.seed)
    shape = (1, model.vae.channels, wanted.height // factor, wanted.width // factor)
    noise = torch.randn(shape, generator=generator, dtype=torch.float32)
    start = (noise * scheduler.init_noise_sigma).to(model.base.device.torch)
    run = Run(wanted.scheduler, scheduler, scheduler.timesteps, 0, generator.get_state())
    end = steps_until(wanted.until, run.total)
    if end == 0:
        reason = f"{wanted.until:g} of {run.total} steps"
        raise MosaicError(NothingToDenoise(span=None, operation="sample", reason=reason))
    return advance(model, positive, negative, Latent(start, run), end, wanted.guidance, meter)


def resume(
    model: Model,
    latent: Latent,
    positive: Conditioning,
    negative: Conditioning,
    wanted: Resume,
    meter: Meter,
) -> Latent:
    """Go on where a latent stands, perhaps with another model. The noise schedule stays the latent's own."""
    _require_settings(1, wanted.guidance, 0)
    _require("until", wanted.until, 0 < wanted.until <= 1, "above 0 and at most 1")
    run = latent.run
    if run is None:
        reason = "it comes from a picture and is in no denoising run"
        raise MosaicError(NotResumable(span=None, operation="resume", reason=reason))
    if wanted.steps is not None:
        _require("steps", wanted.steps, wanted.steps > 0, "positive")
    end = steps_until(wanted.until, run.total)
    if wanted.steps is not None:
        end = min(end, run.position + wanted.steps)
    if end <= run.position:
        reason = f"the latent stands at step {run.position} of {run.total}"
        raise MosaicError(NothingToDenoise(span=None, operation="resume", reason=reason))
    return advance(model, positive, negative, latent, end, wanted.guidance, meter)


def refine(
    model: Model,
    latent: Latent,
    positive: Conditioning,
    negative: Conditioning,
    wanted: Refine,
    meter: Meter,
) -> Latent:
    """Re-noise a clean latent to the noise level of the matching step and denoise it (SDEdit, Meng et al.
    2022, arXiv:2108.01073). Of `steps`, the last `floor(strength × steps)` are taken.
    """
    _require_settings(wanted.steps, wanted.guidance, wanted.seed)
    _require("strength", wanted.strength, 0 < wanted.strength <= 1, "above 0 and at most 1")
    if latent.run is not None and latent.run.position < latent.run.total:
        reason = f"it stands at step {latent.run.position} of {latent.run.total}, and must be finished"
        raise MosaicError(NotResumable(span=None, operation="refine", reason=reason))
    taken = steps_taken(wanted.strength, wanted.steps)
    if taken == 0:
        reason = f"{wanted.strength:g} of {wanted.steps} steps"
        raise MosaicError(NothingToDenoise(span=None, operation="refine", reason=reason))
    scheduler = build_scheduler(wanted.scheduler, wanted.steps, model.base.scheduler, model.base.id)
    first = len(scheduler.timesteps) - taken
    _begin(scheduler, first)
    generator = torch.Generator("cpu").manual_seed(wanted.seed)
    clean = latent.sample
    noise = torch.randn(clean.shape, generator=generator, dtype=torch.float32).to(clean.device)
    noisy = scheduler.add_noise(clean, noise, scheduler.timesteps[first : first + 1])
    run = Run(wanted.scheduler, scheduler, scheduler.timesteps, first, generator.get_state())
    return advance(model, positive, negative, Latent(noisy, run), run.total, wanted.guidance, meter)


def advance(
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    latent: Latent,
    end: int,
    guidance: float,
    meter: Meter,
) -> Latent:
    """Take a latent's run from where it stands to step `end` (exclusive).

    The latent itself stays as it was.
    """
    run = latent.run
    assert run is not None
    require_channels(latent, model)
    scheduler = _continued(run, model)
    generator = torch.Generator("cpu")
    generator.set_state(run.generator)
    device = model.base.device
    guided = guidance != 1
    conditioning = torch.cat([negative.hidden, positive.hidden]) if guided else positive.hidden
    family = model.base.family
    extra = {"generator": generator} if run.name in _ANCESTRAL else {}
    current = latent.sample.to(device.torch)
    with torch.no_grad(), wearing(model.base.unet, model.overlay) as denoiser:
        for index in range(run.position, end):
            timestep = run.timesteps[index]
            scaled = scheduler.scale_model_input(current, timestep)
            rows = torch.cat([scaled, scaled]) if guided else scaled
            predicted = family.predict(denoiser, rows, timestep, conditioning)
            meter.evaluations += 1
            if guided:
                without, within = predicted.chunk(2)
                predicted = without + guidance * (within - without)
            current = scheduler.step(predicted, timestep, current, return_dict=False, **extra)[0]
            meter.advance(index + 1 - run.position)
        finite = bool(torch.isfinite(current).all())
    if not finite:
        raise MosaicError(NotFinite(span=None, operation="denoising"))
    after = Run(run.name, scheduler, run.timesteps, end, generator.get_state())
    return Latent(current, after)


def require_channels(latent: Latent, model: Model) -> None:
    """Raise MosaicError (M459) for a latent that a model of another number of channels made."""
    given = latent.sample.shape[1]
    if given != model.vae.channels:
        raise MosaicError(LatentDoesNotFit(span=None, given=given, wanted=model.vae.channels))


def _continued(run: Run, model: Model) -> Any:
    """A copy of a run's scheduler that reads this model's prediction kind.

    Multistep solvers keep the predicted clean latents of earlier steps, not raw predictions, so a history
    made by an epsilon model serves a v model.
    """
    scheduler = copy.deepcopy(run.scheduler)
    kind = model.base.scheduler.get("prediction_type", "epsilon")
    if scheduler.config.prediction_type != kind:
        scheduler.register_to_config(prediction_type=kind)
    return scheduler


def _begin(scheduler: Any, index: int) -> None:
    # DDIM finds its place by the timestep alone.
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(index)


def _require_settings(steps: int, guidance: float, seed: int) -> None:
    _require("steps", steps, steps > 0, "positive")
    _require("guidance", guidance, math.isfinite(guidance), "a finite number")
    _require("seed", seed, seed in _SEEDS, "a 64-bit number")


def _require(name: str, value: float, holds: bool, needed: str) -> None:
    if not holds:
        raise MosaicError(SettingOutOfRange(span=None, name=name, value=value, needed=needed))
