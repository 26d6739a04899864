"""The autoencoders: AutoencoderKL with f=4 and four channels, trained on all that the world can show.

The latents are whitened after training (mean 0, covariance 1 over the training pictures); the whitening is
folded into the 1x1 convolutions around the latent, so that the scaling factor is 1.0 and nobody has to know.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from numpy.typing import NDArray

from mosaic.stdlib.zoo import world
from mosaic.stdlib.zoo.train.common import Average, Job, Log, draw_all, learning_rate, scenes_of, to_tensor
from mosaic.stdlib.zoo.train.optim import Muon


@dataclass(frozen=True, slots=True)
class Recipe:
    """One autoencoder: its name, widths, seed and budget."""

    name: str
    widths: tuple[int, int, int]
    seed: int
    steps: int
    pictures: int
    peak: float = 4e-3
    batch: int = 32
    polish: int = 700


# Convolutions of 32 channels cost a CPU hardly more than those of 16, so full resolution is wide here.
A = Recipe("vae", (32, 48, 64), seed=11, steps=3150, pictures=12000)
B = Recipe("vae-b", (32, 32, 48), seed=712, steps=650, pictures=12000)


def build(recipe: Recipe) -> AutoencoderKL:
    """An untrained autoencoder of the recipe's shape."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=recipe.widths,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=64,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )


def pictures(job: Job, count: int, seed: int = 5) -> NDArray[np.uint8]:
    """Random pictures of everything, cached in the working folder."""
    n = job.count(count, 16)
    path = job.work / f"pictures-{n}-{seed}.npy"
    if not path.exists():
        np.save(path, draw_all(scenes_of(world.any_scene, n, seed), seed * 1_000_000))
    found: NDArray[np.uint8] = np.load(path)
    return found


def run(job: Job, recipe: Recipe = A) -> None:
    """Train, average, whiten, save under `work/<name>`; an interrupted run goes on from its last snapshot."""
    job.setup(recipe.seed)
    data = to_tensor(pictures(job, recipe.pictures))
    vae = build(recipe).to(memory_format=torch.channels_last)
    average = Average(vae, 0.998)
    optimizer = Muon(vae)
    total, start = job.count(recipe.steps), 0
    snapshot = job.work / f"{recipe.name}.pt"
    if snapshot.exists():
        state = torch.load(snapshot, weights_only=True)
        vae.load_state_dict(state["model"])
        average.model.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["step"]
    log = Log(recipe.name)
    generator = torch.Generator().manual_seed(recipe.seed + start)
    for step in range(start, total):
        rows = torch.randint(0, len(data), (recipe.batch,), generator=generator)
        # Crops start on the grid of the latent, since tiles and strokes are tied to it.
        x, y = (4 * torch.randint(0, 9, (2,), generator=generator)).tolist()
        batch = data[rows, :, y : y + 32, x : x + 32].contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            posterior = vae.encode(batch).latent_dist
            mean, logvar = posterior.mean.float(), posterior.logvar.float()
            latent = mean + torch.exp(0.5 * logvar) * torch.randn(mean.shape, generator=generator)
            decoded = vae.decode(latent).sample.float()
        kl = 0.5 * (mean.pow(2) + logvar.exp() - 1 - logvar).mean()
        loss = F.mse_loss(decoded, batch) + 0.05 * F.l1_loss(decoded, batch) + 1e-4 * kl
        loss.backward()
        optimizer.step(learning_rate(step, total, recipe.peak))
        average.update(vae)
        log.step(step, loss, len(batch))
        if (step + 1) % 250 == 0 and step + 1 < total:
            state = {"model": vae.state_dict(), "average": average.model.state_dict()}
            torch.save({**state, "optimizer": optimizer.state_dict(), "step": step + 1}, snapshot)
            print(f"{recipe.name} {step + 1} psnr {psnr(average.model, data[:48]):.2f} dB", flush=True)
    whiten(average.model, data[: job.count(2000, 16)])
    average.model.save_pretrained(job.work / recipe.name)
    held_out = to_tensor(draw_all(scenes_of(world.any_scene, job.count(500, 16), 99), 990_000_000))
    print(f"{recipe.name} done, held-out psnr {psnr(average.model, held_out):.2f} dB", flush=True)


def polish(job: Job, recipe: Recipe = A) -> None:
    """Train the decoder alone for another while and save it in place.

    The latents stay as they are, so this may run after bases and experts were trained on them.
    """
    job.setup(recipe.seed + 1)
    data = to_tensor(pictures(job, recipe.pictures)[: job.count(5000, 16)])
    vae = load(job.work / recipe.name).to(memory_format=torch.channels_last)
    latents = encode(vae, data)
    vae.decoder.requires_grad_(True)
    average = Average(vae, 0.998)
    optimizer = Muon(vae)
    total, log = job.count(recipe.polish), Log(f"{recipe.name} polish")
    generator = torch.Generator().manual_seed(recipe.seed + 1)
    for step in range(total):
        rows = torch.randint(0, len(data), (8,), generator=generator)
        wanted = data[rows].contiguous(memory_format=torch.channels_last)
        noisy = latents[rows] + 0.02 * torch.randn(latents[rows].shape, generator=generator)
        with torch.autocast("cpu", torch.bfloat16):
            decoded = vae.decode(noisy.contiguous(memory_format=torch.channels_last)).sample.float()
        loss = F.mse_loss(decoded, wanted)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step(learning_rate(step, total, 0.5 * recipe.peak, hold=0.2))
        average.update(vae)
        log.step(step, loss, len(rows))
    average.model.save_pretrained(job.work / recipe.name)
    print(f"{recipe.name} polished, psnr {psnr(average.model, data[:200]):.2f} dB", flush=True)


@torch.no_grad()
def encode(vae: AutoencoderKL, images: torch.Tensor, batch: int = 64) -> torch.Tensor:
    """The mean latents (n, 4, 16, 16) float32 of images (n, 3, 64, 64) in -1..1."""
    return torch.cat([vae.encode(part).latent_dist.mean.float() for part in torch.split(images, batch)])


@torch.no_grad()
def decode(vae: AutoencoderKL, latents: torch.Tensor, batch: int = 64) -> torch.Tensor:
    """Images (n, 3, 64, 64) in about -1..1 of latents (n, 4, 16, 16)."""
    return torch.cat([vae.decode(part.to(vae.dtype)).sample.float() for part in torch.split(latents, batch)])


def psnr_each(vae: AutoencoderKL, images: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio of each reconstruction in dB, (n,)."""
    error = (decode(vae, encode(vae, images)).clamp(-1, 1) - images).pow(2).mean(dim=(1, 2, 3))
    return 10 * torch.log10(4 / error)


def psnr(vae: AutoencoderKL, images: torch.Tensor) -> float:
    """The mean over pictures of the PSNR in dB."""
    return float(psnr_each(vae, images).mean())


@torch.no_grad()
def whiten(vae: AutoencoderKL, images: torch.Tensor) -> None:
    """Fold a ZCA whitening of the four channels into `quant_conv` and `post_quant_conv`, in place.

    The posterior's variance becomes one small constant: mixing channels has no exact counterpart in a
    diagonal log-variance, and sampling uses the mean anyway.
    """
    flat = encode(vae, images).permute(1, 0, 2, 3).flatten(1).double()
    mean = flat.mean(dim=1, keepdim=True)
    values, vectors = torch.linalg.eigh(torch.cov(flat))
    forward = (vectors * values.rsqrt()) @ vectors.T
    backward = (vectors * values.sqrt()) @ vectors.T
    quant, post = vae.quant_conv, vae.post_quant_conv
    weight, bias = quant.weight[:4, :, 0, 0].double(), quant.bias[:4].double()
    quant.weight.zero_()
    quant.weight[:4, :, 0, 0] = (forward @ weight).float()
    quant.bias[:4] = (forward @ (bias[:, None] - mean)).squeeze(1).float()
    quant.bias[4:] = -6.0
    weight = post.weight[:, :, 0, 0].double()
    post.bias += (weight @ mean).squeeze(1).float()
    post.weight[:, :, 0, 0] = (weight @ backward).float()


def load(path: Path) -> AutoencoderKL:
    """A trained autoencoder in float32, evaluation mode."""
    return AutoencoderKL.from_pretrained(path, torch_dtype=torch.float32).eval().requires_grad_(False)
