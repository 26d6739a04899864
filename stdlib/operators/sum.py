"""The operator `sum`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from mosaic.compiler.operators import Acts, Law, operator
from mosaic.compiler.types import Kind

if TYPE_CHECKING:
    from torch import Tensor

_AT_ONCE: Final = 1 << 22
"""Elements that are sorted at once: what bounds the memory of many operands."""


@operator(
    acts=Acts.WEIGHTS,
    accepts=(Kind.LORA, Kind.CHECKPOINT),
    laws=(Law.SYMMETRIC, Law.LINEAR, Law.IDENTITY_AT_ZERO),
)
def sum_(
    base: Tensor, deltas: Sequence[Tensor], strengths: Sequence[float], keys: Sequence[str]
) -> Tensor:
    """The exact weighted sum of all changes: `base + Σ strength · delta`.

    The delta of a LoRA is `alpha / rank · up @ down` (Hu et al. 2021, arXiv:2106.09685); that of a
    checkpoint is its difference from the base, its task vector (Ilharco et al. 2023, arXiv:2212.04089).
    Deltas are summed whole: summing the factors `up` and `down` apart, as some tools do under the name
    "linear", adds cross terms of experts that have nothing to do with each other.

    Tensors have one shape and are float32. The arithmetic is float64 (float32 where a device has none) with
    one rounding at the end. Floating-point addition depends on the order of its terms, so each element's
    terms are added in ascending order: exchanging operands gives the same bytes.
    """
    import torch

    working = torch.float32 if base.device.type == "mps" else torch.float64
    total = torch.empty_like(base, memory_format=torch.contiguous_format)
    flat, changes, result = base.reshape(-1), [delta.reshape(-1) for delta in deltas], total.view(-1)
    for start in range(0, flat.numel(), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        terms = [
            strength * delta[part].to(working) for delta, strength in zip(changes, strengths, strict=True)
        ]
        if len(terms) > 2:  # the sum of two does not depend on their order
            terms = list(torch.stack(terms).sort(dim=0).values)
        result[part] = flat[part].to(working) + _added(terms)
    return total


def _added(terms: Sequence[Tensor]) -> Tensor | float:
    added: Tensor | float = 0.0
    for term in terms:
        added = term + added
    return added
