"""The denoising loop, on diffusers' schedulers; what a step predicts is told by `predict`.

All noise comes from a CPU generator
seeded per sample (`noise.py`), so that a seed means the same noise on every device. The state of a run travels in its
latent: a run cut after any step and resumed takes exactly the steps of the uncut run.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
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
from mosaic.runtime import noise as noises
from mosaic.runtime.align import carry
from mosaic.runtime.bridges import Bridge
from mosaic.runtime.evaluate import ROWS_AT_ONCE, Evaluator, Meter
from mosaic.runtime.predict import Predictor
from mosaic.runtime.predictions import KINDS, level_of, to_clean
from mosaic.runtime.regions import LoadMask
from mosaic.runtime.values import Base, Conditioning, Latent, Model, Run, Tree, Turn, first_leaf, leaves

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


@dataclass(frozen=True)
class Denoising:
    """What one denoising run is told beside its settings: the model, the prompts, who counts, where masks come from,
    and the most `rows` of one call of a denoiser."""

    model: Tree
    positive: Conditioning
    negative: Conditioning
    meter: Meter
    load: LoadMask
    rows: int = ROWS_AT_ONCE


def sample(work: Denoising, wanted: Denoise, seeds: Sequence[int] | None = None) -> Latent:
    """Denoise from noise, wholly or until a fraction of the steps. Several `seeds` give as many rows, each from noise
    of its own; the seed that is wanted is then not used."""
    _require_settings(wanted.steps, wanted.guidance, *(seeds or [wanted.seed]))
    _require("until", wanted.until, 0 < wanted.until <= 1, "above 0 and at most 1")
    model = work.model
    for leaf in leaves(model):
        factor = leaf.vae.factor
        if min(wanted.width, wanted.height) <= 0 or wanted.width % factor or wanted.height % factor:
            raise MosaicError(
                UnsupportedSize(span=None, width=wanted.width, height=wanted.height, multiple=factor)
            )
    first = _leaf_at(work, 0, wanted.steps)
    host = _host(model, first)
    scheduler = build_scheduler(wanted.scheduler, wanted.steps, host.scheduler, host.id)
    begin(scheduler, 0)
    factor = first.vae.factor
    generators = noises.seeded(seeds or [wanted.seed])
    shape = (len(generators), first.vae.channels, wanted.height // factor, wanted.width // factor)
    noise = noises.draw(shape, generators)
    start = (noise * scheduler.init_noise_sigma).to(host.device.torch)
    run = Run(wanted.scheduler, scheduler, scheduler.timesteps, 0, noises.states(generators))
    end = steps_until(wanted.until, run.total)
    if end == 0:
        reason = f"{wanted.until:g} of {run.total} steps"
        raise MosaicError(NothingToDenoise(span=None, operation="sample", reason=reason))
    return advance(work, Latent(start, run), end, wanted.guidance)


def resume(work: Denoising, latent: Latent, wanted: Resume) -> Latent:
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
    return advance(work, latent, end, wanted.guidance)


def refine(work: Denoising, latent: Latent, wanted: Refine, seeds: Sequence[int] | None = None) -> Latent:
    """Re-noise a clean latent to the noise level of the matching step and denoise it (SDEdit, Meng et al.
    2022, arXiv:2108.01073). Of `steps`, the last `floor(strength × steps)` are taken. `seeds`, one for each of several
    rows, stand for the seed that is wanted.
    """
    _require_settings(wanted.steps, wanted.guidance, *(seeds or [wanted.seed]))
    _require("strength", wanted.strength, 0 < wanted.strength <= 1, "above 0 and at most 1")
    if latent.run is not None and latent.run.position < latent.run.total:
        reason = f"it stands at step {latent.run.position} of {latent.run.total}, and must be finished"
        raise MosaicError(NotResumable(span=None, operation="refine", reason=reason))
    taken = steps_taken(wanted.strength, wanted.steps)
    if taken == 0:
        reason = f"{wanted.strength:g} of {wanted.steps} steps"
        raise MosaicError(NothingToDenoise(span=None, operation="refine", reason=reason))
    host = first_leaf(work.model).base
    scheduler = build_scheduler(wanted.scheduler, wanted.steps, host.scheduler, host.id)
    first = len(scheduler.timesteps) - taken
    begin(scheduler, first)
    generators = noises.seeded(seeds or [wanted.seed])
    clean = latent.sample
    noise = noises.draw(clean.shape, generators).to(clean.device)
    noisy = scheduler.add_noise(clean, noise, scheduler.timesteps[first : first + 1])
    run = Run(wanted.scheduler, scheduler, scheduler.timesteps, first, noises.states(generators))
    return advance(work, Latent(noisy, run), run.total, wanted.guidance)


def advance(work: Denoising, latent: Latent, end: int, guidance: float) -> Latent:
    """Take a latent's run from where it stands to step `end` (exclusive).

    The latent itself stays as it was. Where the next step's models live in another latent space, it is carried over.
    """
    assert latent.run is not None
    begun = latent.run.position
    with torch.no_grad():
        while latent.run is not None and latent.run.position < end:
            source = _leaf_at(work, latent.run.position, latent.run.total)
            latent = _stretch(work, source, latent, end, guidance, begun)
            assert latent.run is not None
            if latent.run.position < end:
                target = _leaf_at(work, latent.run.position, latent.run.total)
                latent = carry(latent, source, target, _bridge(work.model, source, target))
    return latent


def _stretch(work: Denoising, first: Model, latent: Latent, end: int, guidance: float, begun: int) -> Latent:
    """Denoise until `end`, or until the next step's models live in another latent space."""
    run = latent.run
    assert run is not None
    require_channels(latent, first)
    host = _host(work.model, first)
    scheduler = _continued(run, host)
    generators = noises.generators(run.generator)
    current = latent.sample.to(host.device.torch)
    size = current.shape[2:]
    predictor = _predictor(work, host, guidance, run.total, size, KINDS[scheduler.config.prediction_type])
    own = generators if len(generators) > 1 else generators[0]
    extra = {"generator": own} if run.name in _ANCESTRAL else {}
    clean, index = latent.clean, run.position
    while index < end:
        terms = predictor.terms(index)
        if terms[0].leaf.space != first.space:
            break
        timestep = run.timesteps[index]
        scaled = scheduler.scale_model_input(current, timestep)
        level = level_of(scheduler, index)
        predicted = predictor.predict(terms, index, scaled, timestep, level)
        clean = to_clean(predicted, scaled, level, predictor.evaluator.kind)
        current = scheduler.step(predicted, timestep, current, return_dict=False, **extra)[0]
        index += 1
        work.meter.advance(index - begun)
    if not bool(torch.isfinite(current).all()):
        raise MosaicError(NotFinite(span=None, operation="denoising"))
    return Latent(current, Run(run.name, scheduler, run.timesteps, index, noises.states(generators)), clean)


def _predictor(
    work: Denoising, host: Base, guidance: float, total: int, size: Sequence[int], kind: str
) -> Predictor:
    return Predictor(
        tree=work.model,
        positive=work.positive,
        negative=work.negative,
        guidance=guidance,
        total=total,
        height=size[0],
        width=size[1],
        load=work.load,
        evaluator=Evaluator(host, kind, work.meter, work.rows),
    )


def _leaf_at(work: Denoising, step: int, total: int) -> Model:
    """The first of the leaves that denoise at a step: it tells the latent space."""
    host = first_leaf(work.model).base
    return _predictor(work, host, 1, total, (1, 1), "epsilon").terms(step)[0].leaf


def _host(tree: Tree, leaf: Model) -> Base:
    """The base whose noise schedule a run follows: what all was fused into, in its own latent space."""
    first = first_leaf(tree)
    return first.base if first.space == leaf.space else leaf.base


def _bridge(tree: Tree, source: Model, target: Model) -> Bridge | None:
    """What leads from one model's latent space into another's, if the tree has it."""
    if isinstance(tree, Model):
        return None
    own = tree.bridges.get((source.space, target.space)) if isinstance(tree, Turn) else None
    below = (_bridge(child, source, target) for child in (tree.rest, *tree.children))
    return own or next((found for found in below if found is not None), None)


def require_channels(latent: Latent, model: Model) -> None:
    """Raise MosaicError (M459) for a latent that a model of another number of channels made."""
    given = latent.sample.shape[1]
    if given != model.vae.channels:
        raise MosaicError(LatentDoesNotFit(span=None, given=given, wanted=model.vae.channels))


def _continued(run: Run, host: Base) -> Any:
    """A copy of a run's scheduler that reads a base's prediction kind.

    Multistep solvers keep the predicted clean latents of earlier steps, not raw predictions, so a history
    made by an epsilon model serves a v model.
    """
    scheduler = copy.deepcopy(run.scheduler)
    kind = host.scheduler.get("prediction_type", "epsilon")
    if scheduler.config.prediction_type != kind:
        scheduler.register_to_config(prediction_type=kind)
    return scheduler


def begin(scheduler: Any, index: int) -> None:
    """Tell a scheduler the step at which it starts, where it counts them."""
    # DDIM finds its place by the timestep alone.
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(index)


def _require_settings(steps: int, guidance: float, *seeds: int) -> None:
    _require("steps", steps, steps > 0, "positive")
    _require("guidance", guidance, math.isfinite(guidance), "a finite number")
    for seed in seeds:
        _require("seed", seed, seed in _SEEDS, "a 64-bit number")


def _require(name: str, value: float, holds: bool, needed: str) -> None:
    if not holds:
        raise MosaicError(SettingOutOfRange(span=None, name=name, value=value, needed=needed))
