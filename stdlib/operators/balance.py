"""The operator `balance`."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, fsum, log, sqrt
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
    effort=Effort.MEASURES,
)
def balance(
    base: Tensor,
    deltas: Sequence[Tensor],
    strengths: Sequence[float],
    keys: Sequence[str],
    *,
    evenness: Annotated[float, Bounds(0, 1)] = 0.75,
    most: Annotated[float, Bounds(1, None)] = 4.0,
) -> Tensor:
    """The weighted sum of all changes, the small ones made larger and the large ones smaller first.

    Experts that were trained apart differ much in length, and what a short change draws is lost beside long ones
    (Zheng et al. 2025, arXiv:2505.15875, find that LoRAs differ more than task vectors of whole models, and that
    merging suffers by it). Here the deltas τ with strengths w of one tensor add up to

        base + Σ w · f · τ,   f = (g / |τ|) ^ evenness,   ln g = Σ |w| · ln |τ| / Σ |w|

    in the Frobenius norm: g is their mean length, the geometric one weighted by strengths. At evenness 1 all are
    equally long before their strengths are applied; at 0 this is `sum`. No delta becomes more than `most` times as
    long or as short as it was: what an expert hardly changed is noise, and is not to be blown up.

    One operand alone, and operands of one length, give their plain sum. A delta of zeros has no length and takes no
    part; an operand whose strength goes to zero fades out of g as well, so there is no jump.

    Tensors have one shape and are float32; norms and sums are float64, with one rounding at the end. Exchanging
    operands gives the same bytes.
    """
    deltas, strengths, _ = arithmetic.present(deltas, strengths, keys)
    lengths = [sqrt(arithmetic.inner(delta, delta)) for delta in deltas]
    weights = [
        abs(strength) if length > 0 else 0.0 for strength, length in zip(strengths, lengths, strict=True)
    ]
    if sum(weight > 0 for weight in weights) < 2:  # exactly the sum, not the sum but for a rounding
        return arithmetic.weighted_sum(base, deltas, strengths)
    logs = [log(length) if length > 0 else 0.0 for length in lengths]
    # fsum rounds once, so the order of operands does not show.
    mean = fsum(weight * each for weight, each in zip(weights, logs, strict=True)) / fsum(weights)
    factors = [min(most, max(1 / most, exp(evenness * (mean - each)))) for each in logs]
    return arithmetic.weighted_sum(
        base, deltas, [strength * factor for strength, factor in zip(strengths, factors, strict=True)]
    )
