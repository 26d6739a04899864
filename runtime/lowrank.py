"""Cutting changes of weights to a rank, exactly: the best approximation of that rank, and how much it loses.

The best approximation of a matrix by one of rank r keeps its r largest singular values (Eckart & Young 1936). For a sum
of LoRA deltas none of the large matrices is ever put together: the stacked factors are R wide, the sum of the ranks,
and an orthogonal basis of each (QR) leaves an R × R core to decompose. That is the same cut as that of the dense sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch


class Factors(NamedTuple):
    """A delta as `up @ down`: up (out, rank), down (rank, in · kernel), float32. `lost` is the share of the squared
    Frobenius norm that the cut took away, 0..1."""

    up: torch.Tensor
    down: torch.Tensor
    lost: float

    def dense(self, shape: Sequence[int]) -> torch.Tensor:
        """The delta in the shape of the weight that it changes."""
        return (self.up @ self.down).reshape(tuple(shape))


def flattened(
    up: torch.Tensor, down: torch.Tensor, mid: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The factors of a LoRA as two matrices, (out, rank) and (rank, in · kernel).

    `up` is (out, rank) or (out, rank, 1, 1), `down` (rank, in) or (rank, in, kh, kw). With a Tucker core `mid`, (rank,
    rank, kh, kw), `down` is (rank, in, 1, 1) and takes the core in.
    """
    if mid is not None:
        down = torch.einsum("rskl,si->rikl", mid, down.flatten(1))
    return up.flatten(1), down.flatten(1)


def recompress(
    ups: Sequence[torch.Tensor], downs: Sequence[torch.Tensor], scales: Sequence[float], rank: int
) -> Factors:
    """The best approximation of `Σ scale · up @ down` of a rank (or of less, where the sum has less).

    `ups` are (out, r) and `downs` (r, in · kernel), see `flattened`; each pair has a rank of its own, out and in are
    the same for all. float64 inside (float32 where a device has none). The singular values are shared out evenly
    between the two factors. Raises ValueError for a rank below one or without any factors.
    """
    _require(rank)
    if not ups:
        raise ValueError("there is nothing to cut")
    kind = _working(ups[0].device)
    pairs = zip(ups, scales, strict=True)
    tall = torch.cat([scale * up.to(kind) for up, scale in pairs], dim=1)
    wide = torch.cat([down.to(kind) for down, _ in zip(downs, ups, strict=True)], dim=0)
    left, upper = torch.linalg.qr(tall)
    right, lower = torch.linalg.qr(wide.mT)
    outer, values, inner = torch.linalg.svd(upper @ lower.mT, full_matrices=False)
    root = values[:rank].sqrt()
    up = left @ (outer[:, :rank] * root)
    down = (root[:, None] * inner[:rank]) @ right.mT
    return Factors(up.to(torch.float32), down.to(torch.float32), _lost(values, rank))


def truncate(delta: torch.Tensor, rank: int) -> tuple[torch.Tensor, float]:
    """The best approximation of a dense delta of a rank, and the share of its squared norm that is lost.

    A convolution's kernel counts as a matrix (out, in · kernel). A vector is returned as it is, and so is a matrix that
    cannot have more than this rank. float64 inside (float32 where a device has none), float32 outside. Raises
    ValueError for a rank below one.
    """
    _require(rank)
    if delta.ndim < 2 or rank >= min(delta.flatten(1).shape):
        return delta.to(torch.float32), 0.0
    matrix = delta.flatten(1).to(_working(delta.device))
    is_wide = matrix.shape[0] < matrix.shape[1]
    # Tall matrices are decomposed several times faster than wide ones.
    outer, values, inner = torch.linalg.svd(
        matrix.mT.contiguous() if is_wide else matrix, full_matrices=False
    )
    cut = (outer[:, :rank] * values[:rank]) @ inner[:rank]
    return (cut.mT if is_wide else cut).reshape(delta.shape).to(torch.float32), _lost(values, rank)


def _lost(values: torch.Tensor, rank: int) -> float:
    squares = values.square()
    whole = float(squares.sum())
    return float(squares[rank:].sum()) / whole if whole else 0.0


def _require(rank: int) -> None:
    if rank < 1:
        raise ValueError(f"a rank is at least 1, not {rank}")


def _working(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64
