"""Trains the checker's network on drawn pictures of everything; many go through the autoencoder first."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from mosaic.stdlib.zoo import checker, world
from mosaic.stdlib.zoo.train import vae
from mosaic.stdlib.zoo.train.common import Average, Job, Log, draw_all, learning_rate, scenes_of, to_tensor
from mosaic.stdlib.zoo.train.optim import Muon

SEED, STEPS, PICTURES, PASSED, PEAK, BATCH = 71, 1300, 14000, 5000, 3e-3, 64


def targets(scenes: list[world.Scene]) -> torch.Tensor:
    """The class of every head for every scene, (n, heads) int64."""
    rows = []
    for scene in scenes:
        words = {"subject": scene.subject, "colour": scene.colour, "background": scene.background}
        words |= {"worn": scene.worn, "corner": scene.corner}
        words |= {"horned": "horned" if scene.horned else "", "sword": "sword" if scene.sword else ""}
        words |= {style: style if style in scene.styles else "" for style in world.STYLES}
        rows.append([values.index(words[head]) for head, values in checker.HEADS.items()])
    return torch.tensor(rows)


def disturb(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Shift by up to two pixels, change brightness and contrast a little, add faint noise."""
    dx, dy = torch.randint(-2, 3, (2,), generator=generator).tolist()
    n = len(images)
    gain = 1 + 0.12 * (torch.rand(n, 1, 1, 1, generator=generator) - 0.5)
    lift = 0.12 * (torch.rand(n, 3, 1, 1, generator=generator) - 0.5)
    noise = (
        0.06 * torch.rand(n, 1, 1, 1, generator=generator) * torch.randn(images.shape, generator=generator)
    )
    return torch.roll(images, (dy, dx), (2, 3)) * gain + lift + noise


def run(job: Job) -> None:
    """Train and save `work/checker.safetensors` in half precision."""
    job.setup(SEED)
    n = job.count(PICTURES, 16)
    scenes = scenes_of(world.wide_scene, n, SEED)
    images = to_tensor(draw_all(scenes, SEED * 1_000_000))
    wanted = targets(scenes)
    model = vae.load(job.work / "vae")
    passed = job.count(PASSED, 8)
    images[:passed] = vae.decode(model, vae.encode(model, images[:passed])).clamp(-1, 1)
    net = checker.network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer, average = Muon(net, decay=0.02), Average(net, 0.99)
    generator, total, log = torch.Generator().manual_seed(SEED), job.count(STEPS), Log("checker")
    for step in range(total):
        rows = torch.randint(0, n, (BATCH,), generator=generator)
        batch = disturb(images[rows], generator).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            parts = checker.split(net(batch))
        losses = [F.cross_entropy(part.float(), wanted[rows, i]) for i, part in enumerate(parts.values())]
        loss = torch.stack(losses).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step(learning_rate(step, total, PEAK, hold=0.3))
        average.update(net)
        log.step(step, loss, BATCH)
    for (_, mine), (_, theirs) in zip(average.model.named_buffers(), net.named_buffers(), strict=True):
        mine.copy_(theirs)
    state = {k: v.half() if v.is_floating_point() else v for k, v in average.model.state_dict().items()}
    save_file({k: v.contiguous() for k, v in state.items()}, job.work / "checker.safetensors")


def held_out(
    n: int, make: Callable[[Random], world.Scene] = world.any_scene
) -> tuple[torch.Tensor, list[world.Scene]]:
    """Pictures that no stage has seen, (n, 3, 64, 64) in -1..1, with their scenes."""
    scenes = scenes_of(make, n, 99)
    return to_tensor(draw_all(scenes, 990_000_000)), scenes
