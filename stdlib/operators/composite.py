"""The operator `composite`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.compiler.operators import Acts, Law, operator
from mosaic.compiler.types import Kind

if TYPE_CHECKING:
    from torch import Tensor


@operator(
    acts=Acts.PREDICTIONS,
    accepts=(Kind.LORA, Kind.CHECKPOINT),
    laws=(Law.SYMMETRIC, Law.IDENTITY_AT_ZERO),
    evaluations="experts",
    honours=("region", "window"),
    shares_unconditional=True,
)
def composite(weights: Tensor) -> Tensor:
    """Every expert predicts alone, at every step; the predictions are averaged.

    Expert `i` predicts with `base + s_i · delta_i`, and counts by `|s_i · m_i| / Σ |s_j · m_j|` at each place, where
    `s` is its strength and `m` its region (1 everywhere unless given, 0 outside its window). Where nobody counts, the
    base has all.

    With equal strengths and without regions this is LoRA Composite (Zhong et al. 2024, arXiv:2402.16843, section 3.2:
    the mean of the guided predictions of all LoRAs), but for the unconditional prediction: there each LoRA makes its
    own; here one row serves all, by the base with the deltas weighed by their mean shares, which is the mean of their
    unconditional predictions to first order in the deltas. With one expert it is that expert's own, so that `composite`
    equals `sum`.

    All LoRAs of one base go through the denoiser in one batch of n + 1 rows (2n as published): they share the base's
    weights, and each row adds the products of its own factors. What is no such product (LoHa, LoKr, DoRA, full
    differences) is added to weights of its own, which predict in a call of their own.

    `weights` (n, height, width) float32 are `s · m`; the result (n + 1, height, width) are the shares, the base's
    first.
    """
    import torch

    sizes = weights.abs()
    total = sizes.sum(0, keepdim=True)
    counted = total > 0
    shares = torch.where(counted, sizes / torch.where(counted, total, torch.ones_like(total)), 0.0)
    return torch.cat([(~counted).to(weights.dtype), shares])
