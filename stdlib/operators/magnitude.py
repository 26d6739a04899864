"""The operator `magnitude`."""

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
    effort=Effort.RANKS,
)
def magnitude(
    base: Tensor,
    deltas: Sequence[Tensor],
    strengths: Sequence[float],
    keys: Sequence[str],
    *,
    density: Annotated[float, Bounds(0, 1, low_open=True)] = 0.5,
) -> Tensor:
    """The weighted sum of what is left of each change when its small entries are taken out.

    `base + Σ strength · trim(delta)`, where `trim` keeps the entries of one tensor whose magnitude is at least that of
    the k-th largest, k = ⌈density · entries⌉: magnitude pruning (Han et al. 2015, arXiv:1506.02626) of task vectors
    (Ilharco et al. 2023, arXiv:2212.04089), the first step of `ties` alone.

    Entries as large as the k-th are all kept, so a delta of equal magnitudes stays whole, and nothing depends on how a
    tensor lies in memory. What is kept is not scaled up. Tensors have one shape and are float32; sums are float64 with
    one rounding at the end.
    """
    deltas, strengths, _ = arithmetic.present(deltas, strengths, keys)
    return arithmetic.weighted_sum(base, [arithmetic.trimmed(delta, density) for delta in deltas], strengths)
