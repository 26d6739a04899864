"""The operator `guidance`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.compiler.operators import Acts, Law, operator
from mosaic.compiler.types import Kind

if TYPE_CHECKING:
    from torch import Tensor


@operator(
    acts=Acts.PREDICTIONS,
    accepts=(Kind.LORA, Kind.CHECKPOINT, Kind.MODEL),
    laws=(Law.SYMMETRIC, Law.IDENTITY_AT_ZERO),
    evaluations="models",
    honours=("region", "window"),
    scales=False,
)
def guidance(weights: Tensor, *, conjunction: bool = False) -> Tensor:
    """Whole models predict beside each other, at every step; a strength is the share of a model's prediction.

    `p = p_0 + Σ c_i · (p_i − p_0)` with `c_i = s_i · m_i / max(1, Σ |s_j · m_j|)`: model `i` counts by its strength
    `s` in its region `m` and window, and the base has the rest; strengths that sum to more than one at a place share
    it in proportion. A LoRA takes part as the base with the LoRA at full strength. A negative strength steers away
    from what a model predicts.

    `conjunction: true` does not share: `c_i = s_i · m_i`, so that what each model changes of the base's prediction is
    added whole, as the conjunction of concepts in composable diffusion (Liu et al. 2022, section 3.2): experts that
    each know something else are all heard.

    The predictions are of one kind when they are added: those of other kinds (epsilon, v, flow) are converted at the
    same noise level, and a model with another noise schedule is asked at the time at which it has that level. Blending
    v with epsilon unconverted is off by half.

    The sum of conditional predictions is composable diffusion (Liu et al. 2022, arXiv:2206.01714); by regions of one
    model it is MultiDiffusion (Bar-Tal et al. 2023, arXiv:2302.08113, equation 5). Each model is guided by the prompt
    with its own unconditional prediction.

    `weights` (n, height, width) float32 are `s · m`; the result (n + 1, height, width) are the shares, the base's
    first.
    """
    import torch

    total = weights.abs().sum(0, keepdim=True).clamp(min=1)
    shares = weights if conjunction else weights / total
    rest = 1 - shares.sum(0, keepdim=True)
    # What rounding leaves is no share: a model for it would be evaluated for nothing.
    return torch.cat([torch.where(rest.abs() < 1e-6, 0.0, rest), shares])
