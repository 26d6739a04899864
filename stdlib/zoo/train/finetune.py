"""The character: the whole UNet fine-tuned on a figure that the base has never seen."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import torch

from mosaic.stdlib.zoo import world
from mosaic.stdlib.zoo.train import text, unet
from mosaic.stdlib.zoo.train.common import Average, Job, Log, learning_rate

SEED, STEPS, PICTURES, PEAK, BATCH = 61, 600, 1000, 6e-4, 16


def scene(rng: Random) -> world.Scene:
    """Three robots to one plain picture; the plain ones keep the base's knowledge (prior preservation)."""
    made = world.base_scene(rng)
    return made if rng.random() < 0.25 else replace(made, subject="robot", horned=False, sword=False)


def run(job: Job) -> None:
    """Train and save `work/robot`.

    Attention learns twice as fast as the rest, so that more of the character lies there, where operators that
    merge attention alone can find it.
    """
    job.setup(SEED)
    held = unet.data(job, scene, PICTURES, SEED, "vae")
    tokens, encoder = text.load(job.work / "text")
    model = unet.load(job.work / "unet").requires_grad_(True)
    average = Average(model, 0.99)
    attention = [p for name, p in model.named_parameters() if ".attentions." in name]
    rest = [p for name, p in model.named_parameters() if ".attentions." not in name]
    groups = [{"params": attention, "factor": 2.0}, {"params": rest, "factor": 1.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK, betas=(0.9, 0.99), weight_decay=0.0)
    generator, rng = torch.Generator().manual_seed(SEED), Random(SEED)
    rows, total, log = unet.batches(len(held.scenes), BATCH, generator), job.count(STEPS), Log("robot")
    for step in range(total):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, total, PEAK, hold=0.3) * group["factor"]
        chosen = next(rows)
        captions = unet.captions_of([held.scenes[i] for i in chosen.tolist()], rng)
        hidden = text.states(tokens, encoder, captions)
        loss = unet.v_loss(model, held.latents[chosen], hidden, generator)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update(model)
        log.step(step, loss, len(chosen))
    average.model.save_pretrained(job.work / "robot")
