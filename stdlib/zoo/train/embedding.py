"""The textual inversion: one vector that makes the base draw a figure it has no single word for.

The base knows knights, horns and swords by their words. `<samurai>` is a horned knight with a sword, learned
from pictures of it alone (Gal et al. 2022); nothing but the vector changes.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

import torch
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTokenizer

from mosaic.stdlib.zoo import world
from mosaic.stdlib.zoo.train import text, unet
from mosaic.stdlib.zoo.train.common import Job, Log, learning_rate

SEED, STEPS, PICTURES, PEAK, BATCH = 51, 500, 400, 2e-2, 16


def scene(rng: Random) -> world.Scene:
    """A picture of the concept: any colour, any background."""
    return replace(world.base_scene(rng), subject="knight", horned=True, sword=True)


def register(tokens: CLIPTokenizer, encoder: CLIPTextModel, vector: torch.Tensor | None = None) -> int:
    """Add the token, with `vector` (1, 64) or the word knight's; its id."""
    tokens.add_tokens([world.CONCEPT_TOKEN])
    new: int = tokens.convert_tokens_to_ids(world.CONCEPT_TOKEN)
    encoder.resize_token_embeddings(len(tokens), mean_resizing=False)
    weight = encoder.get_input_embeddings().weight
    with torch.no_grad():
        # Word tokens end in </w>; without it the id would be that of the unknown token.
        weight[new] = weight[tokens.convert_tokens_to_ids("knight</w>")] if vector is None else vector[0]
    return new


def run(job: Job) -> None:
    """Learn the vector and save `work/samurai.safetensors` with one tensor (1, 64) named by the token."""
    job.setup(SEED)
    held = unet.data(job, scene, PICTURES, SEED, "vae")
    tokens, encoder = text.load(job.work / "text")
    new = register(tokens, encoder)
    model = unet.load(job.work / "unet")
    table = encoder.get_input_embeddings()
    frozen = table.weight.detach().clone()
    vector = frozen[new : new + 1].clone().requires_grad_(True)
    optimizer = torch.optim.AdamW([vector], lr=PEAK, weight_decay=0.0)
    generator, rng = torch.Generator().manual_seed(SEED), Random(SEED)
    rows, total, log = unet.batches(len(held.scenes), BATCH, generator), job.count(STEPS), Log("samurai")
    mean = vector.detach().clone()

    def lookup(_: torch.nn.Module, args: tuple[torch.Tensor], out: torch.Tensor) -> torch.Tensor:
        return torch.where((args[0] == new)[..., None], vector, out)

    hook = table.register_forward_hook(lookup)
    for step in range(total):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, total, PEAK, hold=0.3, warm=20)
        chosen = next(rows)
        scenes = [held.scenes[i] for i in chosen.tolist()]
        captions = unet.captions_of(scenes, rng, drop=0.0, name=world.CONCEPT_TOKEN)
        hidden = encoder(text.tokenize(tokens, captions)).last_hidden_state
        loss = unet.v_loss(model, held.latents[chosen], hidden, generator)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        mean.lerp_(vector.detach(), 0.02 if step > 50 else 0.5)
        log.step(step, loss, len(chosen))
    hook.remove()
    save_file({world.CONCEPT_TOKEN: mean}, job.work / "samurai.safetensors")
