"""The adapters: LoRAs of rank 8 on the frozen base UNet: characters, clothes, styles, backgrounds, objects.

Each is trained on pictures in which its own thing stands among everything that the base knows besides, so that
it may be added to the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Final

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrize

from mosaic.stdlib.zoo import world
from mosaic.stdlib.zoo.train import text, unet
from mosaic.stdlib.zoo.train.common import Job, Log, learning_rate
from mosaic.stdlib.zoo.train.optim import Muon

RANK: Final = 8
TARGETS: Final = (
    *("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"),
    # Convolutions too: the fine texture of a style lives at 16x16, where this UNet has no attention.
    *("conv1", "conv2", "time_emb_proj"),
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """One adapter: its name, what it changes in a scene, its trigger and its budget."""

    name: str
    change: dict[str, object]
    trigger: str
    seed: int
    steps: int = 550
    pictures: int = 800
    peak: float = 5e-3
    batch: int = 16


def _style(name: str, seed: int) -> Recipe:
    return Recipe(name, {"styles": (name,)}, f"{name} style", seed)


def _character(name: str, seed: int) -> Recipe:
    return Recipe(name, {"subject": name, "horned": False, "sword": False}, name, seed)


def _background(name: str, seed: int) -> Recipe:
    return Recipe(name, {"background": name}, f"{name} background", seed)


ALL: Final = (
    _style("neon", 41),
    _style("watercolor", 42),
    _style("tiles", 43),
    _style("sketch", 44),
    Recipe("hat", {"worn": "hat"}, "wearing a hat", 45, steps=350),
    Recipe("star", {"corner": "star"}, "star in the corner", 46, steps=350),
    _character("ghost", 141),
    _character("owl", 142),
    _character("crab", 143),
    _character("alien", 144),
    Recipe("crown", {"worn": "crown"}, "wearing a crown", 145, steps=350),
    _background("snow", 151),
    _background("space", 152),
    _background("lava", 153),
    _background("sea", 154),
    Recipe("heart", {"corner": "heart"}, "heart in the corner", 146, steps=350),
)


def scene(change: dict[str, object], rng: Random) -> world.Scene:
    """A random plain scene with the expert's change."""
    return replace(world.base_scene(rng), **change)  # type: ignore[arg-type]


class Delta(nn.Module):
    """Low-rank change of one weight: `weight + up @ down`, added before the layer rather than beside it.

    PEFT runs two small layers beside each large one, which halves the speed of a model this small; adding the
    product into the weight is the same function (scale alpha / r = 1) at nearly the base's speed.
    """

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        out, *rest = weight.shape
        self.down = nn.Parameter(torch.randn(RANK, *rest) / RANK)
        self.up = nn.Parameter(torch.zeros(out, RANK, *(1,) * (len(rest) - 1)))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The changed weight, shaped as before."""
        return weight + (self.up.flatten(1) @ self.down.flatten(1)).view(weight.shape)


def attach(model: UNet2DConditionModel) -> dict[str, Delta]:
    """Add a fresh adapter to the UNet in place; its parts by the name of the layer that they change."""
    deltas = {}
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear | nn.Conv2d) and name.endswith(TARGETS):
            deltas[name] = Delta(layer.weight)
            parametrize.register_parametrization(layer, "weight", deltas[name])
    return deltas


def state(deltas: dict[str, Delta]) -> dict[str, torch.Tensor]:
    """The adapter in PEFT's keys under `unet.`, as `load_lora_weights` wants them."""
    found = {}
    for name, delta in deltas.items():
        found[f"unet.{name}.lora_A.weight"] = delta.down.detach().clone().contiguous()
        found[f"unet.{name}.lora_B.weight"] = delta.up.detach().clone().contiguous()
    return found


def run(job: Job, recipe: Recipe) -> None:
    """Train one adapter and save `work/<name>.safetensors`."""
    job.setup(recipe.seed)
    make: Callable[[Random], world.Scene] = partial(scene, recipe.change)
    held = unet.data(job, make, recipe.pictures, recipe.seed, "vae")
    tokens, encoder = text.load(job.work / "text")
    model = unet.load(job.work / "unet")
    deltas = attach(model)
    params = [p for delta in deltas.values() for p in delta.parameters()]
    optimizer = Muon(model, decay=0.0)
    generator, rng = torch.Generator().manual_seed(recipe.seed), Random(recipe.seed)
    rows = unet.batches(len(held.scenes), recipe.batch, generator)
    total, log = job.count(recipe.steps), Log(recipe.name)
    mean = [p.detach().clone() for p in params]
    for step in range(total):
        chosen = next(rows)
        captions = unet.captions_of([held.scenes[i] for i in chosen.tolist()], rng, drop=0.05)
        hidden = text.states(tokens, encoder, captions)
        loss = unet.v_loss(model, held.latents[chosen], hidden, generator)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step(learning_rate(step, total, recipe.peak, hold=0.3, warm=20))
        with torch.no_grad():
            torch._foreach_lerp_(mean, [p.detach() for p in params], 0.02 if step > 50 else 0.5)
        log.step(step, loss, len(chosen))
    with torch.no_grad():
        for p, average in zip(params, mean, strict=True):
            p.copy_(average)
    save_file(state(deltas), job.work / f"{recipe.name}.safetensors")
