"""Noise of denoising runs: every row has a generator of its own, on the CPU, so that a seed means the same noise on
every device, and whatever other rows stand beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


def seeded(seeds: Sequence[int]) -> list[torch.Generator]:
    """A generator for each seed."""
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


def states(generators: Sequence[torch.Generator]) -> torch.Tensor:
    """Where generators stand: the state of one, (bytes,), or of several, (n, bytes)."""
    found = [generator.get_state() for generator in generators]
    return found[0] if len(found) == 1 else torch.stack(found)


def generators(state: torch.Tensor) -> list[torch.Generator]:
    """The inverse of `states`."""
    found = []
    for each in state[None] if state.ndim == 1 else state:
        generator = torch.Generator("cpu")
        # torch reads a state from the start of its storage, whatever part of it a tensor is.
        generator.set_state(each.clone())
        found.append(generator)
    return found


def draw(shape: Sequence[int], generators: Sequence[torch.Generator]) -> torch.Tensor:
    """Noise (n, channels, h, w) float32 of a shape: each row from its generator, or all of them from the only one."""
    if len(generators) == 1:
        rows = [torch.randn(tuple(shape[1:]), generator=generators[0]) for _ in range(shape[0])]
    else:
        rows = [torch.randn(tuple(shape[1:]), generator=each) for each in generators]
    return torch.stack(rows)
