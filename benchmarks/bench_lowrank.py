"""Cutting a sum of LoRAs to a rank: by the core of the stacked factors against a dense decomposition.

Same factors, same precision (float64), same machine, in turn. What counts are the ratio and the agreement.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Final

import torch

from mosaic.runtime.lowrank import Factors, recompress, truncate

SHAPES: Final = ((640, 640), (1280, 1280), (1280, 5120))
"""Attention and feed-forward layers of SD1 (out, in)."""
LORAS: Final = 3
RANK: Final = 32
ROUNDS: Final = 5


def main() -> None:
    """Print medians, the ratio and how far the two cuts lie apart."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    print(
        f"{LORAS} LoRAs of rank {RANK} cut to rank {RANK}, {ROUNDS} rounds, {torch.get_num_threads()} thread(s)"
    )
    print(f"{'out × in':<14}{'core':>10}{'dense':>10}{'ratio':>8}{'apart':>10}{'lost':>8}")
    for shape in SHAPES:
        _row(shape)


def _row(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(sum(shape))
    ups = [torch.randn(shape[0], RANK, generator=generator) for _ in range(LORAS)]
    downs = [torch.randn(RANK, shape[1], generator=generator) for _ in range(LORAS)]
    scales = [0.8, 0.5, -0.3]
    summed = sum(
        scale * up.double() @ down.double() for up, down, scale in zip(ups, downs, scales, strict=True)
    )
    assert isinstance(summed, torch.Tensor)
    by_core, core = _timed(lambda: recompress(ups, downs, scales, RANK))
    by_svd, dense = _timed(lambda: truncate(summed, RANK))
    assert isinstance(core, Factors)
    assert isinstance(dense, tuple)
    apart = float((core.dense(shape) - dense[0]).norm() / dense[0].norm())
    name = f"{shape[0]} × {shape[1]}"
    times = f"{1000 * by_core:>7.1f} ms{1000 * by_svd:>7.0f} ms{by_svd / by_core:>8.0f}"
    print(f"{name:<14}{times}{apart:>10.0e}{core.lost:>8.1%}")


def _timed(action: Callable[[], object]) -> tuple[float, object]:
    taken = []
    result = action()
    for _ in range(ROUNDS):
        started = time.process_time()  # others may be at work on the machine
        action()
        taken.append(time.process_time() - started)
    return statistics.median(taken), result


if __name__ == "__main__":
    main()
