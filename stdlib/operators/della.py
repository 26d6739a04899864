"""The operator `della`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from mosaic.compiler.operators import Acts, Bounds, Effort, Law, operator
from mosaic.compiler.types import Kind
from mosaic.stdlib import arithmetic

if TYPE_CHECKING:
    from torch import Tensor


@operator(
    acts=Acts.WEIGHTS,
    accepts=(Kind.LORA, Kind.CHECKPOINT, Kind.MODEL),
    laws=(Law.SYMMETRIC, Law.IDENTITY_AT_ZERO),
    effort=Effort.SORTS,
)
def della(
    base: Tensor,
    deltas: Sequence[Tensor],
    strengths: Sequence[float],
    keys: Sequence[str],
    *,
    density: Annotated[float, Bounds(0, 1, low_open=True)] = 0.5,
    spread: Annotated[float, Bounds(0, 1)] = 0.2,
    seed: Annotated[int, Bounds(0)] = 0,
) -> Tensor:
    """Drop small entries of each change more often than large ones, then elect signs and add the mean of those who
    agree.

    DELLA (Deep et al. 2024, arXiv:2406.11617). Its MAGPRUNE ranks the entries of each output row by magnitude (the
    first dimension of a tensor counts rows; a vector is one row). The probability to drop an entry falls evenly with
    its rank, from `1 - density + spread / 2` for the smallest to `1 - density - spread / 2` for the largest (the
    paper's window ε), and an entry that is kept is divided by its own probability to be kept. Probabilities below zero
    count as zero, and an entry that would be dropped with a probability of one or more is always dropped: where
    `spread > 2 · density` the smallest entries are trimmed. A row of one entry has the middle probability. Then the
    weighted election and the mean over those who agree of `ties`.

    Entries of equal magnitude are ranked in the order in which they stand in the tensor, however it lies in memory.
    Masks are drawn as those of `dare`, from the seed, the tensor's name and the operand's content.

    mergekit's ε is half of this spread, and it scales to the norm that the delta had before instead of dividing;
    sd-mecha ranks over the whole tensor and divides all entries by `density` (docs/operators/oracles.md).

    Tensors have one shape and are float32; sums are float64 with one rounding at the end.
    """
    deltas, strengths, keys = arithmetic.present(deltas, strengths, keys)
    pruned = [_pruned(delta, density, spread, seed, key) for delta, key in zip(deltas, keys, strict=True)]
    return arithmetic.elected_mean(base, pruned, strengths)


def _pruned(delta: Tensor, density: float, spread: float, seed: int, key: str) -> Tensor:
    """MAGPRUNE of one delta, in the type that sums are taken in."""
    keep = _keeping(delta, density, spread)
    drawn = arithmetic.uniform(key, seed, delta)
    return (delta.to(keep.dtype) / keep).where(drawn.to(keep.dtype) < keep, 0)


def _keeping(delta: Tensor, density: float, spread: float) -> Tensor:
    """The probability with which each entry is kept, at most one; zero or less: never."""
    import torch

    kind = arithmetic.working(delta.device)
    rows = delta.abs().flatten(1) if delta.ndim > 1 else delta.abs().reshape(1, -1)
    order = rows.sort(dim=1, stable=True).indices
    steps = max(rows.shape[1] - 1, 1)
    places = torch.arange(rows.shape[1], dtype=kind, device=delta.device).expand_as(rows)
    if rows.shape[1] == 1:
        places = places + 0.5
    ranks = torch.empty_like(rows, dtype=kind).scatter_(1, order, places)
    return (density + spread * (ranks / steps - 0.5)).clamp(max=1).reshape(delta.shape)
