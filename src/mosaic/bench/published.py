"""Published schemes of composing LoRAs, written anew from their papers over plain diffusers, as baselines.

- *merge*, *switch*, *composite*: Zhong et al. 2024, "Multi-LoRA Composition for Image Generation", arXiv:2402.16843:
all LoRAs added
  into the weights; one LoRA at a time, taking turns; every LoRA guided alone, predictions averaged.
- *w-switch*, *w-composite*: Tsoumplekas et al. 2026, "Training-Free Multi-Concept LoRA Composition with Prompt-Aware
  Weighting", arXiv:2606.03792: longer turns, or more of the average, for experts whose trigger words mean more in the
  prompt; w-switch gives the last tenth of the run to the character.

Nothing of mosaic's engine is used: weights are exchanged on diffusers' own network, steps are taken by diffusers' own
scheduler.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from mosaic.bench.schemes import GUIDANCE, STEPS, Scheme
from mosaic.stdlib import zoo
from mosaic.stdlib.zoo.train import pipeline, text, unet, vae
from mosaic.stdlib.zoo.train.common import to_pictures
from mosaic.stdlib.zoo.train.generate import Family, noise

if TYPE_CHECKING:
    from mosaic.stdlib.zoo.sets import CompositionSet

LAST: float = 0.1
"""The part of the run that w-switch keeps for the character: five steps of fifty."""
LEAST: float = 0.05
"""The least weight of an expert before weights are normalised."""


@dataclass
class Published:
    """The zoo's base with plain diffusers, and the deltas of its LoRAs."""

    family: Family
    deltas: dict[str, Mapping[str, torch.Tensor]] = field(default_factory=dict)
    rows: int = 0
    evaluations: int = 0

    @classmethod
    def load(cls) -> Published:
        """The zoo's base."""
        return cls(pipeline.family("zoo/base"))

    @torch.inference_mode()
    def draw(
        self, scheme: Scheme, wanted: CompositionSet, seeds: Sequence[int]
    ) -> tuple[npt.NDArray[np.uint8], int, int]:
        """Pictures (n, 64, 64, 3), how many calls of the denoiser they took together, and how many rows those had."""
        self.rows = self.evaluations = 0
        at_step = _PREDICT[scheme.published](self, scheme, wanted)
        captions = [wanted.caption] * len(seeds)
        hidden = text.states(self.family.tokens, self.family.encoder, captions + [""] * len(seeds))
        latents = noise(list(seeds))
        scheduler: Any = unet.scheduler()
        scheduler.set_timesteps(STEPS)
        for step, time in enumerate(scheduler.timesteps):
            predicted = sum(
                (part * self._guided(weights, latents, time, hidden) for weights, part in at_step(step)),
                torch.zeros(()),
            )
            latents = scheduler.step(predicted, time, latents).prev_sample
        self._wear({})
        return to_pictures(vae.decode(self.family.vae, latents)), self.evaluations, self.rows

    def _guided(
        self, weights: Mapping[str, float], latents: torch.Tensor, time: torch.Tensor, hidden: torch.Tensor
    ) -> torch.Tensor:
        self._wear(weights)
        predicted = self.family.unet(torch.cat([latents, latents]), time, hidden, return_dict=False)[0]
        self.evaluations += 1
        self.rows += 2 * len(latents)
        yes, no = predicted.chunk(2)
        guided: torch.Tensor = no + GUIDANCE * (yes - no)
        return guided

    def _wear(self, strengths: Mapping[str, float]) -> None:
        """Give the network the base's weights plus the LoRAs' deltas at their strengths."""
        for name, parameter in self._changing.items():
            parameter.data = self._original[name]
        for expert, strength in strengths.items():
            for name, delta in self._delta(expert).items():
                parameter = self._changing[name]
                parameter.data = parameter.data + strength * delta

    def _delta(self, expert: str) -> Mapping[str, torch.Tensor]:
        if expert not in self.deltas:
            tensors, found = pipeline.single(expert), {}
            for key, down in tensors.items():
                if key.endswith(".lora_A.weight"):
                    stem = key.removesuffix(".lora_A.weight")
                    up, name = tensors[f"{stem}.lora_B.weight"], stem.removeprefix("unet.") + ".weight"
                    found[name] = (up.flatten(1) @ down.flatten(1)).reshape(self._original[name].shape)
            self.deltas[expert] = found
        return self.deltas[expert]

    @cached_property
    def _changing(self) -> dict[str, Any]:
        return dict(self.family.unet.named_parameters())

    @cached_property
    def _original(self) -> dict[str, torch.Tensor]:
        return {name: parameter.data for name, parameter in self._changing.items()}

    def influence(self, wanted: CompositionSet) -> dict[str, float]:
        """What the trigger words of each expert mean in the prompt, adding up to one: one minus the cosine of the mean
        encodings with and without them, at least 0.05."""
        whole, found = self._mean(wanted.caption), {}
        for expert in wanted.experts:
            without = wanted.caption.replace(trigger(expert), "").replace(", ,", ",").strip(" ,")
            change = 1 - torch.cosine_similarity(whole, self._mean(without), dim=-1).item()
            found[expert] = max(change, LEAST)
        return _normalised(found)

    def likeness(self, wanted: CompositionSet) -> dict[str, float]:
        """How near the trigger words of each expert alone are to the prompt, adding up to one: the cosine of the mean
        encodings."""
        whole = self._mean(wanted.caption)
        return _normalised(
            {
                expert: torch.cosine_similarity(whole, self._mean(trigger(expert)), dim=-1).item()
                for expert in wanted.experts
            }
        )

    def _mean(self, words: str) -> torch.Tensor:
        return text.states(self.family.tokens, self.family.encoder, [words]).mean(dim=1)


def trigger(expert: str) -> str:
    """The words that call an expert of the zoo."""
    return next(str(entry["trigger"]) for entry in zoo.index()["experts"] if entry["id"] == expert)


AtStep = Callable[[int], Sequence[tuple[Mapping[str, float], float]]]
"""For a step: strengths of LoRAs that are worn together, and the part of the prediction that they have."""


def _merge(host: Published, scheme: Scheme, wanted: CompositionSet) -> AtStep:
    worn = _strengths(scheme, wanted)
    return lambda step: [(worn, 1.0)]


def _switch(host: Published, scheme: Scheme, wanted: CompositionSet) -> AtStep:
    worn = _strengths(scheme, wanted)

    def at(step: int) -> Sequence[tuple[Mapping[str, float], float]]:
        expert = wanted.experts[step // scheme.period % len(wanted.experts)]
        return [({expert: worn[expert]}, 1.0)]

    return at


def _composite(host: Published, scheme: Scheme, wanted: CompositionSet) -> AtStep:
    part = 1 / len(wanted.experts)
    each = [({expert: strength}, part) for expert, strength in _strengths(scheme, wanted).items()]
    return lambda step: each


def _w_switch(host: Published, scheme: Scheme, wanted: CompositionSet) -> AtStep:
    weights = host.influence(wanted)
    most = max(weights.values())
    turns: list[str] = []
    while len(turns) < STEPS:
        for expert in wanted.experts:
            turns += [expert] * max(1, round(weights[expert] / most * scheme.period))
    last = round(LAST * STEPS)
    turns = turns[: STEPS - last] + [wanted.experts[0]] * last
    worn = _strengths(scheme, wanted)
    return lambda step: [({turns[step]: worn[turns[step]]}, 1.0)]


def _w_composite(host: Published, scheme: Scheme, wanted: CompositionSet) -> AtStep:
    weights = host.likeness(wanted)
    each = [({expert: strength}, weights[expert]) for expert, strength in _strengths(scheme, wanted).items()]
    return lambda step: each


_PREDICT: Mapping[str, Callable[[Published, Scheme, CompositionSet], AtStep]] = {
    "merge": _merge,
    "switch": _switch,
    "composite": _composite,
    "w-switch": _w_switch,
    "w-composite": _w_composite,
}


def _strengths(scheme: Scheme, wanted: CompositionSet) -> dict[str, float]:
    pairs = zip(wanted.experts, wanted.categories, strict=True)
    return {expert: scheme.operand(category).strength for expert, category in pairs}


def _normalised(values: Mapping[str, float]) -> dict[str, float]:
    total = sum(values.values())
    return {name: value / total for name, value in values.items()}
