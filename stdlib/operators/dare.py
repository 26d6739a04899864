"""The operator `dare`."""

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
    effort=Effort.DRAWS,
)
def dare(
    base: Tensor,
    deltas: Sequence[Tensor],
    strengths: Sequence[float],
    keys: Sequence[str],
    *,
    density: Annotated[float, Bounds(0, 1, low_open=True)] = 0.5,
    seed: Annotated[int, Bounds(0)] = 0,
    elect: bool = False,
) -> Tensor:
    """Drop entries of each change at random and scale up the rest, then add what is left.

    DARE, "drop and rescale" (Yu et al. 2023, arXiv:2311.03099): each entry of each delta is kept with the probability
    `density`, independently, and divided by it, so that the expected value of a delta is the delta. Then the weighted
    sum `base + Σ strength · delta`; or with `elect: true` the election and the mean over those who agree of `ties`,
    without its trimming.

    The mask of an operand is drawn from a counter-based generator whose key is a hash of the seed, the tensor's name
    and the operand's content: it depends neither on the other operands, nor on their order, nor on that of the
    tensors, and two tensors of one shape have unrelated masks. The same seed gives the same bytes everywhere.

    PEFT draws without a seed; mergekit scales to the norm that the delta had before instead of dividing; sd-mecha
    divides by the number of masks that overlap besides (docs/operators/oracles.md).

    Tensors have one shape and are float32; sums are float64 with one rounding at the end.
    """
    deltas, strengths, keys = arithmetic.present(deltas, strengths, keys)
    thinned = [
        delta.where(arithmetic.uniform(key, seed, delta) < density, 0)
        for delta, key in zip(deltas, keys, strict=True)
    ]
    scaled = [strength / density for strength in strengths]
    if elect:
        return arithmetic.elected_mean(base, thinned, scaled)
    return arithmetic.weighted_sum(base, thinned, scaled)
