"""Sampling in batches with diffusers' own scheduler: what the scores and the sheets are made with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from numpy.typing import NDArray
from transformers import CLIPTextModel, CLIPTokenizer

from mosaic.stdlib.zoo.train import text, unet, vae
from mosaic.stdlib.zoo.train.common import to_pictures


@dataclass(frozen=True, slots=True)
class Family:
    """Everything that turns captions into pictures."""

    tokens: CLIPTokenizer
    encoder: CLIPTextModel
    unet: UNet2DConditionModel
    vae: AutoencoderKL


def noise(seeds: list[int]) -> torch.Tensor:
    """Starting noise (n, 4, 16, 16) float32; each row depends on its own seed alone."""
    rows = [torch.randn(4, 16, 16, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(rows)


@torch.inference_mode()
def generate(
    family: Family,
    captions: list[str],
    seeds: list[int],
    guidance: float = 3.0,
    steps: int = 20,
    batch: int = 64,
) -> NDArray[np.uint8]:
    """Pictures (n, 64, 64, 3) uint8 by DDIM with classifier-free guidance."""
    parts = []
    for start in range(0, len(captions), batch):
        wanted = captions[start : start + batch]
        hidden = text.states(family.tokens, family.encoder, wanted + [""] * len(wanted))
        latents = noise(seeds[start : start + batch])
        scheduler: DDIMScheduler = unet.scheduler()
        scheduler.set_timesteps(steps)
        for time in scheduler.timesteps:
            both = torch.cat([latents, latents]).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                predicted = family.unet(both, time, hidden, return_dict=False)[0].float()
            yes, no = predicted.chunk(2)
            latents = scheduler.step(no + guidance * (yes - no), time, latents).prev_sample
        parts.append(to_pictures(vae.decode(family.vae, latents)))
    return np.concatenate(parts)
