"""Carrying latents from one model's latent space into another's."""

from __future__ import annotations

import torch

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.bridges import BridgeDoesNotFit, NoCleanLatent
from mosaic.compiler.errors.runtime import NotFinite, UnsupportedSize
from mosaic.runtime import noise as noises
from mosaic.runtime.bridges import Bridge
from mosaic.runtime.values import Latent, Model, Run


def carry(latent: Latent, source: Model, target: Model, bridge: Bridge | None) -> Latent:
    """A latent (n, channels, h, w) of `source` in the latent space of `target`, by a bridge, or decoded by the one VAE
    and encoded by the other.

    A finished latent is mapped as it is. One that stands part-way is half noise, and no map of clean latents means
    anything for noise: what is mapped is the clean latent that its last step predicted, and noise from the run's own
    generator brings it to the level at which the run stands, in the noise schedule of `target`. The run goes on there
    by the same scheduler, at the same step of as many; a multistep history is not carried over.

    Raises MosaicError: M466 without a predicted clean latent, M467 where the bridge or the VAEs do not fit, M456 for a
    picture that the target's VAE does not take.
    """
    run = latent.run
    if run is None or run.position >= run.total:
        return Latent(_mapped(latent.sample, source, target, bridge), None)
    if latent.clean is None:
        raise MosaicError(NoCleanLatent(None, run.position, run.total))
    clean = _mapped(latent.clean, source, target, bridge)
    return _renoised(clean, run, target)


def _mapped(clean: torch.Tensor, source: Model, target: Model, bridge: Bridge | None) -> torch.Tensor:
    mapped = _by_bridge(clean, source, target, bridge) if bridge else _through_picture(clean, source, target)
    if not bool(torch.isfinite(mapped).all()):
        raise MosaicError(NotFinite(span=None, operation="carrying a latent over"))
    return mapped


def _by_bridge(clean: torch.Tensor, source: Model, target: Model, bridge: Bridge) -> torch.Tensor:
    if source.vae.factor != target.vae.factor:
        reason = f"one latent stands for {source.vae.factor} pixels on the one side, {target.vae.factor} on the other"
        raise MosaicError(BridgeDoesNotFit(None, bridge.id, reason))
    mapped = bridge.carry(clean.to(target.base.device.torch))
    if mapped.shape[1] != target.vae.channels:
        reason = f"it gives {mapped.shape[1]} channels, and the model reads {target.vae.channels}"
        raise MosaicError(BridgeDoesNotFit(None, bridge.id, reason))
    return mapped


def _through_picture(clean: torch.Tensor, source: Model, target: Model) -> torch.Tensor:
    height, width = (side * source.vae.factor for side in clean.shape[2:])
    multiple = target.vae.factor
    if height % multiple or width % multiple:
        raise MosaicError(UnsupportedSize(span=None, width=width, height=height, multiple=multiple))
    here, there = source.base.device.torch, target.base.device.torch
    picture = source.base.family.decode(source.vae, clean.to(here)).clamp(-1, 1)
    return target.base.family.encode_image(target.vae, picture.to(there))


def _renoised(clean: torch.Tensor, run: Run, target: Model) -> Latent:
    """A clean latent at the noise level at which a run stands, and the run in the target's noise schedule."""
    # `denoise` carries latents over between the links of a chain, and so imports this module.
    from mosaic.runtime.denoise import begin, build_scheduler

    scheduler = build_scheduler(run.name, run.total, target.base.scheduler, target.base.id)
    begin(scheduler, run.position)
    generators = noises.generators(run.generator)
    noise = noises.draw(clean.shape, generators)
    step = scheduler.timesteps[run.position : run.position + 1]
    noisy = scheduler.add_noise(clean, noise.to(clean.device), step)
    after = Run(run.name, scheduler, scheduler.timesteps, run.position, noises.states(generators))
    return Latent(noisy, after, clean)
