"""The operator `ties`."""

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
def ties(
    base: Tensor,
    deltas: Sequence[Tensor],
    strengths: Sequence[float],
    keys: Sequence[str],
    *,
    density: Annotated[float, Bounds(0, 1, low_open=True)] = 0.5,
) -> Tensor:
    """Trim each change, let the operands elect a sign for each weight, and add the mean of those who agree.

    TIES (Yadav et al. 2023, arXiv:2306.01708), the variant with a weighted election and a mean over those who agree.
    For one tensor with deltas τ and strengths w:

    1. trim: τ̂ keeps the entries of τ whose magnitude is at least that of the k-th largest, k = ⌈density · entries⌉;
       entries as large as the k-th are all kept;
    2. elect: γ = sign(Σ w · τ̂), entry by entry; a sum of zero elects nothing;
    3. merge: base + Σ w · τ̂ / n, over the n operands for which sign(w · τ̂) = γ; zero where nothing is elected.

    With equal strengths λ this is λ times the paper's disjoint mean. An entry that one operand alone changes is changed
    in full; where n agree, by their mean: so two experts that say the same change the base as much as one of them. A
    negative strength votes for the opposite sign.

    Other programs mean other things by the name (measured in docs/operators/oracles.md). PEFT elects by the
    unweighted τ̂ and works on the factors of a LoRA unless told otherwise; mergekit divides by the sum of the
    strengths of those who agree, not by their number; sd-mecha elects by counting signs, has no strengths and keeps
    one entry more. PEFT and mergekit count a sum of zero as positive, round the number of entries down, and keep only
    some of those that are equally large.

    Tensors have one shape and are float32; sums are float64 with one rounding at the end. Terms are added in ascending
    order: exchanging operands gives the same bytes.
    """
    deltas, strengths, _ = arithmetic.present(deltas, strengths, keys)
    return arithmetic.elected_mean(base, [arithmetic.trimmed(delta, density) for delta in deltas], strengths)
