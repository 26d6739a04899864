"""What all stages share: the working folder, the threads, cached pictures, averaging, the learning rate."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mosaic.stdlib.zoo import world


@dataclass(frozen=True, slots=True)
class Job:
    """Where a stage writes and how much it does.

    `scale` multiplies every step and picture count (1.0 is the shipped recipe; tests use tiny values).
    `target` is the folder that the ship stage fills; None means the package itself.
    """

    work: Path
    scale: float = 1.0
    threads: int = 2
    target: Path | None = None

    def count(self, n: int, least: int = 2) -> int:
        """A step or picture count of the recipe after scaling."""
        return max(least, round(n * self.scale))

    def setup(self, seed: int) -> None:
        """Fix the seed and the threads. Denormals are flushed: late in training they slow CPUs down."""
        self.work.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(seed)
        torch.set_num_threads(self.threads)
        torch.set_flush_denormal(True)


def _draw_range(task: tuple[list[world.Scene], int]) -> NDArray[np.uint8]:
    return world.pixels(*task)


def draw_all(scenes: list[world.Scene], seed: int, workers: int = 2) -> NDArray[np.uint8]:
    """Draw the scenes in parallel, (n, 64, 64, 3) uint8; the result does not depend on `workers`."""
    if len(scenes) < 200:
        return world.pixels(scenes, seed)
    tasks = [(scenes[i : i + 100], seed + i) for i in range(0, len(scenes), 100)]
    with ProcessPoolExecutor(workers) as pool:
        return np.concatenate(list(pool.map(_draw_range, tasks)))


def scenes_of(make: Callable[[Random], world.Scene], n: int, seed: int) -> list[world.Scene]:
    """`n` random scenes from one generator."""
    rng = Random(seed)
    return [make(rng) for _ in range(n)]


def to_tensor(pictures: NDArray[np.uint8]) -> torch.Tensor:
    """Pictures (n, 64, 64, 3) uint8 to (n, 3, 64, 64) float32 in -1..1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def to_pictures(images: torch.Tensor) -> NDArray[np.uint8]:
    """The inverse of `to_tensor`, clamped and rounded."""
    scaled = images.float().add(1).mul(127.5).clamp(0, 255).round()
    return np.asarray(scaled.permute(0, 2, 3, 1).to(torch.uint8).contiguous().numpy())


def learning_rate(step: int, total: int, peak: float, hold: float = 0.4, warm: int = 50) -> float:
    """Warm up, hold the peak for the fraction `hold`, then fall along a cosine to a fiftieth of the peak."""
    if step < warm:
        return peak * (step + 1) / warm
    done = (step - hold * total) / max(1.0, (1 - hold) * total)
    return peak if done <= 0 else peak * (0.02 + 0.49 * (1 + math.cos(math.pi * min(1.0, done))))


def note(job: Job, stage: str, **facts: float) -> None:
    """Remember facts about a stage (steps, seconds) for the README, in `work/stages.json`."""
    path = job.work / "stages.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known[stage] = {**known.get(stage, {}), **facts}
    path.write_text(json.dumps(known, indent=1))


class Average:
    """An exponential moving average of a module's parameters; `model` is the averaged copy."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.model: Any = copy.deepcopy(module).eval().requires_grad_(False)
        self._decay, self._steps = decay, 0

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """One step; early steps decay faster, so that the random start is forgotten."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        mine = [p.detach() for p in self.model.parameters()]
        torch._foreach_lerp_(mine, [p.detach() for p in module.parameters()], 1 - decay)


class Log:
    """Prints one line every `every` steps with the mean of the loss since and the speed."""

    def __init__(self, name: str, every: int = 100) -> None:
        self._name, self._every = name, every
        self._sum, self._n, self._since, self.start = 0.0, 0, time.perf_counter(), time.perf_counter()

    def step(self, step: int, loss: torch.Tensor, pictures: int) -> None:
        """Note the loss of a step over a batch of `pictures`."""
        self._sum, self._n = self._sum + float(loss.detach()), self._n + 1
        if (step + 1) % self._every == 0:
            now = time.perf_counter()
            rate = self._n * pictures / (now - self._since)
            print(f"{self._name} {step + 1} loss {self._sum / self._n:.4f} {rate:.0f} pictures/s", flush=True)
            self._sum, self._n, self._since = 0.0, 0, now
