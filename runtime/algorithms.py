"""What the tensors of an adapter add to a weight, by algorithm.

Pure functions of float32 tensors; the scale is multiplied in by the caller. A weight is (out, in) of a linear layer,
(out, in, kh, kw) of a convolution. Which parts an encoding has, and that their shapes fit, is known before
(`compiler/weights/changes.py`).
"""

from __future__ import annotations

import torch


def product(a: torch.Tensor, b: torch.Tensor, core: torch.Tensor | None = None) -> torch.Tensor:
    """A factored matrix, or a kernel with a Tucker core, as LyCORIS factors both (Yeh et al. 2024, arXiv:2309.14859).

    Without a core `a · b`: (out, rank) and (rank, in · kernel) give (out, in · kernel). With a core (rank, rank, kh,
    kw) the factors are (rank, out) and (rank, in), and the result is (out, in, kh, kw).
    """
    if core is None:
        return a @ b
    return torch.einsum("rskl,ro,si->oikl", core, a, b)


def loha(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """`first ∘ second`, element by element: two products of rank r make a change of rank up to r² (FedPara, Hyeon-Woo
    et al. 2022, arXiv:2108.06098, section 2.2). Both (out, in …)."""
    return first * second


def lokr(outer: torch.Tensor, inner: torch.Tensor, kernel: tuple[int, ...] = ()) -> torch.Tensor:
    """The Kronecker product `outer ⊗ inner` (LoKr, Yeh et al. 2024, arXiv:2309.14859, section 4.2).

    `outer` (a, b) stretches over outputs and inputs, `inner` is (c, d) or (c, d · kernel); the result (a · c, b · d) or
    (a · c, b · d, kh, kw).
    """
    inner = inner.reshape(inner.shape[0], -1, *kernel)
    # `torch.kron` fails where a factor does not lie in one piece, as the product with a core does not.
    blocks = torch.einsum("ab,cd...->acbd...", outer, inner)
    return blocks.reshape(outer.shape[0] * inner.shape[0], -1, *kernel)


def dora(weight: torch.Tensor, delta: torch.Tensor, magnitude: torch.Tensor) -> torch.Tensor:
    """What a weight-decomposed adapter adds to a weight at full strength: `m · (W + Δ) / ‖W + Δ‖ − W`.

    The direction comes from the weight and the delta Δ (a LoRA's, with its scale), the length from the magnitude (DoRA,
    Liu et al. 2024, arXiv:2402.09353, equation 5). `magnitude` is (out, 1, …), and then the norm is that of each
    output's weights, or (1, in, …), that of each input's. Norms are Euclidean, float32. Where a norm is zero there is
    no direction, and the result is zero there before W is taken away.
    """
    moved = weight + delta
    is_of_inputs = magnitude.shape[1] > 1 or magnitude.shape[0] != weight.shape[0]
    axes = [axis for axis in range(moved.ndim) if axis != int(is_of_inputs)]
    norm: torch.Tensor = torch.linalg.vector_norm(moved, dim=axes, keepdim=True)
    return magnitude * (moved / norm.clamp_min(torch.finfo(norm.dtype).tiny)) - weight
