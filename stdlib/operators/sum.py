"""The operator `sum`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mosaic.compiler.operators import Acts, Law, operator
from mosaic.compiler.types import Kind
from mosaic.stdlib import arithmetic

if TYPE_CHECKING:
    from torch import Tensor


@operator(
    acts=Acts.WEIGHTS,
    accepts=(Kind.LORA, Kind.CHECKPOINT, Kind.MODEL),
    laws=(Law.SYMMETRIC, Law.LINEAR, Law.IDENTITY_AT_ZERO),
)
def sum_(base: Tensor, deltas: Sequence[Tensor], strengths: Sequence[float], keys: Sequence[str]) -> Tensor:
    """The exact weighted sum of all changes: `base + Σ strength · delta`.

    The delta of a LoRA is `alpha / rank · up @ down` (Hu et al. 2021, arXiv:2106.09685), other adapters have
    formulas of their own (docs/adapters.md); that of a checkpoint is its difference from the base, its
    task vector (Ilharco et al. 2023, arXiv:2212.04089). Deltas are summed whole: summing the factors `up`
    and `down` apart, as some tools do under the name "linear", adds cross terms of experts that have nothing
    to do with each other.

    Tensors have one shape and are float32. The arithmetic is float64 (float32 where a device has none) with
    one rounding at the end. Floating-point addition depends on the order of its terms, so each element's
    terms are added in ascending order: exchanging operands gives the same bytes.
    """
    deltas, strengths, _ = arithmetic.present(deltas, strengths, keys)
    return arithmetic.weighted_sum(base, deltas, strengths)
