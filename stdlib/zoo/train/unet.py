"""The bases: UNet2DConditionModel trained with the v-prediction loss on cached latents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import nn

from mosaic.stdlib.zoo import world
from mosaic.stdlib.zoo.train import text, vae
from mosaic.stdlib.zoo.train.common import Average, Job, Log, draw_all, learning_rate, scenes_of, to_tensor
from mosaic.stdlib.zoo.train.optim import Muon


@dataclass(frozen=True, slots=True)
class Recipe:
    """One base: where it is kept, which autoencoder it lives in, its widths and budget."""

    name: str
    vae: str
    widths: tuple[int, int]
    heads: tuple[int, int]
    seed: int
    steps: int
    pictures: int
    peak: float = 2e-3
    batch: int = 32


A = Recipe("unet", "vae", (48, 96), (2, 3), seed=31, steps=2200, pictures=9000)
B = Recipe("unet-b", "vae-b", (32, 80), (2, 2), seed=731, steps=1050, pictures=3200)


def build(widths: tuple[int, int], heads: tuple[int, int]) -> UNet2DConditionModel:
    """An untrained UNet: attention at 8x8 only, since at 16x16 it halves the speed and gains little here.

    `attention_head_dim` is diffusers' name for the number of heads of this class.
    """
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=widths,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=text.WIDTH,
        attention_head_dim=heads,
        norm_num_groups=16,
    )


def scheduler() -> DDIMScheduler:
    """The noise schedule of the family."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=1e-4,
        beta_end=0.02,
        beta_schedule="linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        steps_offset=1,  # without effect under trailing spacing; diffusers' pipeline warns at 0
        set_alpha_to_one=True,
    )


@dataclass(frozen=True, slots=True)
class Data:
    """Cached latents (n, 4, 16, 16) float32 with the scenes that they show."""

    latents: torch.Tensor
    scenes: list[world.Scene]


def data(job: Job, make: Callable[[Random], world.Scene], count: int, seed: int, vae_name: str) -> Data:
    """Draw and encode `count` scenes; cached in the working folder."""
    n = job.count(count, 16)
    scenes = scenes_of(make, n, seed)
    path = job.work / f"latents-{vae_name}-{n}-{seed}.pt"
    if not path.exists():
        images = to_tensor(draw_all(scenes, seed * 1_000_000))
        torch.save(vae.encode(vae.load(job.work / vae_name), images), path)
    return Data(torch.load(path, weights_only=True), scenes)


def captions_of(scenes: list[world.Scene], rng: Random, drop: float = 0.1, name: str = "") -> list[str]:
    """Fresh captions; the fraction `drop` is empty, for classifier-free guidance."""
    return ["" if rng.random() < drop else world.caption(scene, rng, name) for scene in scenes]


def batches(n: int, size: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """Row numbers in shuffled order, for ever."""
    while True:
        order = torch.randperm(n, generator=generator)
        yield from torch.split(order[: max(size, n - n % size)], size)


def v_loss(
    unet: nn.Module, latents: torch.Tensor, hidden: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """The v-prediction loss (Salimans and Ho 2022, section 4) at uniform random times, a scalar."""
    alphas = _ALPHAS
    n = len(latents)
    # Stratified times: one from each of n equal parts, which lowers the noise of the gradient.
    spread = (torch.arange(n) + torch.rand(n, generator=generator)) / n
    times = (spread * 1000).long().clamp(0, 999)
    noise = torch.randn(latents.shape, generator=generator)
    signal, sigma = alphas[times].sqrt().view(-1, 1, 1, 1), (1 - alphas[times]).sqrt().view(-1, 1, 1, 1)
    noisy = (signal * latents + sigma * noise).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        predicted = unet(noisy, times, hidden, return_dict=False)[0]
    return F.mse_loss(predicted.float(), signal * noise - sigma * latents)


_ALPHAS = scheduler().alphas_cumprod


def run(job: Job, recipe: Recipe = A) -> None:
    """Train a base, save its average under `work/<name>`; goes on from the last snapshot."""
    job.setup(recipe.seed)
    held = data(job, world.base_scene, recipe.pictures, 7, recipe.vae)
    tokens, encoder = text.load(job.work / "text")
    unet = build(recipe.widths, recipe.heads).to(memory_format=torch.channels_last)
    unet.set_attn_processor(AttnProcessor())
    average = Average(unet, 0.998)
    optimizer = Muon(unet)
    total, start = job.count(recipe.steps), 0
    snapshot = job.work / f"{recipe.name}.pt"
    if snapshot.exists():
        state = torch.load(snapshot, weights_only=True)
        unet.load_state_dict(state["model"])
        average.model.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["step"]
    generator, rng = torch.Generator().manual_seed(recipe.seed + start), Random(recipe.seed + start)
    rows, log = batches(len(held.scenes), recipe.batch, generator), Log(recipe.name)
    for step in range(start, total):
        chosen = next(rows)
        captions = captions_of([held.scenes[i] for i in chosen.tolist()], rng)
        loss = v_loss(unet, held.latents[chosen], text.states(tokens, encoder, captions), generator)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step(learning_rate(step, total, recipe.peak))
        average.update(unet)
        log.step(step, loss, len(chosen))
        if (step + 1) % 500 == 0 and step + 1 < total:
            state = {"model": unet.state_dict(), "average": average.model.state_dict()}
            torch.save({**state, "optimizer": optimizer.state_dict(), "step": step + 1}, snapshot)
    average.model.save_pretrained(job.work / recipe.name)


def load(path: Path) -> UNet2DConditionModel:
    """A trained UNet in float32, frozen, with the plain attention, which is the fastest at this size."""
    unet = UNet2DConditionModel.from_pretrained(path, torch_dtype=torch.float32)
    unet.set_attn_processor(AttnProcessor())
    return unet.to(memory_format=torch.channels_last).eval().requires_grad_(False)
