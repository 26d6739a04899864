"""The operator `attention`."""

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
    selector="layers",
)
def attention(
    base: Tensor,
    deltas: Sequence[Tensor],
    strengths: Sequence[float],
    keys: Sequence[str],
    *,
    layers: str = "attn2",
) -> Tensor:
    """The exact weighted sum of `sum`, in the selected layers alone: cross-attention unless told.

    Custom Diffusion (Kumari et al. 2023, arXiv:2212.04488) finds that fine-tuning changes the layers most by which a
    denoiser reads the prompt, and trains and merges nothing but their keys and values. `layers` says which tensors of
    the base take the experts' changes; all others stay the base's.

    A selector is a list of terms: `"attn2"`, `"attn2.to_k, attn2.to_v"`, `"up.attn2"`, `"down.0"`, `"te, !te.mlp"`. A
    term is a path of words through a tensor's name, which may leave words out between them, with `*` and `?` for any
    letters; a number belongs to the word before it. Beside the words of the names stand `down`, `mid`, `up` (the stages
    of a U-Net), `attn1` and `attn2` (its self- and cross-attention), `ff`, `conv`, `time`, and `te` (all text
    encoders). `!` takes away what the others select.

    The transformers of SD3 and Flux have no cross-attention. What selects nothing of an expert is refused when the plan
    is compiled.

    Tensors have one shape and are float32; sums are float64 with one rounding at the end.
    """
    # The runtime hands over the tensors that `layers` selects.
    deltas, strengths, _ = arithmetic.present(deltas, strengths, keys)
    return arithmetic.weighted_sum(base, deltas, strengths)
