"""The operator `slerp`."""

from __future__ import annotations

from collections.abc import Sequence
from math import acos, copysign, cos, sin, sqrt
from typing import TYPE_CHECKING, Final

from mosaic.compiler.operators import Acts, Effort, Law, operator
from mosaic.compiler.types import Kind
from mosaic.stdlib import arithmetic

if TYPE_CHECKING:
    from torch import Tensor

_OPPOSITE: Final = 1e-9
"""A cosine this near to -1 leaves no shortest way from one direction to the other."""
_SETTLED: Final = 1e-13
_MOST_STEPS: Final = 500

Vector = list[float]


@operator(
    acts=Acts.WEIGHTS,
    accepts=(Kind.LORA, Kind.CHECKPOINT, Kind.MODEL),
    laws=(Law.SYMMETRIC, Law.IDENTITY_AT_ZERO),
    effort=Effort.MEASURES,
)
def slerp(base: Tensor, deltas: Sequence[Tensor], strengths: Sequence[float], keys: Sequence[str]) -> Tensor:
    """Turn from one change to the other on the sphere instead of cutting through it, so that no length is lost.

    Spherical linear interpolation (Shoemake 1985) of deltas, for any number of operands. Of deltas τ with strengths w,
    in the Frobenius norm of one tensor:

    - the directions are u = τ / |τ|, turned round where w is negative; their weights are |w| / Σ |w|;
    - the direction of the result is their weighted mean on the sphere, the point from which the weighted arcs to all u
      add up to zero (Karcher 1977): of two, the point at t = w₂ / (w₁ + w₂) on the arc between them;
    - the length of the result is Σ |w| · |τ|, as if all pointed the same way.

    So one operand gives w · τ, strengths that add up to one interpolate, and parallel deltas give their plain sum.
    Where others cancel each other out, this does not: two unrelated deltas at strength 0.5 give a change of full
    length, where `sum` gives 0.7 of it. A delta of zeros has no direction and is left out.

    Where the mean is not defined (two directions are opposite, all cancel out, or the search for it does not settle)
    the result is the linear one, Σ |w| · |τ| times the weighted mean of the u.

    Tensors have one shape and are float32. Inner products and the sum are float64 with one rounding at the end; the
    operands are put in the order of their keys first, so exchanging them gives the same bytes.
    """
    deltas, strengths, keys = arithmetic.present(deltas, strengths, keys)
    lengths = [sqrt(arithmetic.inner(delta, delta)) for delta in deltas]
    operands = sorted(
        (key, strength, length, place)
        for place, (key, strength, length) in enumerate(zip(keys, strengths, lengths, strict=True))
        if length > 0
    )
    if len(operands) < 2:  # exactly the sum, not the sum but for a rounding
        return arithmetic.weighted_sum(base, deltas, strengths)
    chosen = [deltas[place] for _, _, _, place in operands]
    signed = [copysign(length, strength) for _, strength, length, _ in operands]
    total = sum(abs(strength) for _, strength, _, _ in operands)
    weights = [abs(strength) / total for _, strength, _, _ in operands]
    reach = sum(abs(strength) * length for _, strength, length, _ in operands)
    mean = _mean(_cosines(chosen, signed), weights)
    parts = [reach * part / length for part, length in zip(mean, signed, strict=True)]
    return arithmetic.weighted_sum(base, chosen, parts)


def _cosines(deltas: Sequence[Tensor], signed: Sequence[float]) -> list[Vector]:
    """The inner products of all directions."""
    count = len(deltas)
    found = [[1.0] * count for _ in range(count)]
    for i in range(count):
        for j in range(i):
            cosine = arithmetic.inner(deltas[i], deltas[j]) / (signed[i] * signed[j])
            found[i][j] = found[j][i] = max(-1.0, min(1.0, cosine))
    return found


def _mean(cosines: list[Vector], weights: Vector) -> Vector:
    """The weighted mean of directions on the sphere, as what each of them contributes to it.

    Everything happens in the space that the directions span, where their cosines are all that counts.
    """
    if min(map(min, cosines)) < _OPPOSITE - 1:
        return weights
    mean = _unit(weights, cosines)
    for _ in range(_MOST_STEPS):
        if mean is None:
            return weights
        towards = [_dot(row, mean) for row in cosines]
        if min(towards) < _OPPOSITE - 1:
            return weights
        # The arcs from here to each direction, as vectors that touch the sphere here, and their weighted mean.
        stretched = [weight * _stretch(near) for weight, near in zip(weights, towards, strict=True)]
        along = _dot(stretched, towards)
        step = [part - along * here for part, here in zip(stretched, mean, strict=True)]
        length = sqrt(max(0.0, _dot(step, [_dot(row, step) for row in cosines])))
        scale = sin(length) / length if length > 1e-6 else 1.0
        moved = _unit(
            [cos(length) * here + scale * part for here, part in zip(mean, step, strict=True)], cosines
        )
        if moved is not None and max(abs(a - b) for a, b in zip(moved, mean, strict=True)) < _SETTLED:
            return moved
        mean = moved
    return weights


def _stretch(near: float) -> float:
    """θ / sin θ of the angle with this cosine."""
    near = max(-1.0, min(1.0, near))
    angle = acos(near)
    return angle / sin(angle) if angle > 1e-6 else 1.0


def _unit(vector: Vector, cosines: list[Vector]) -> Vector | None:
    """A combination of directions made one long, or None where they cancel out."""
    square = _dot(vector, [_dot(row, vector) for row in cosines])
    return [part / sqrt(square) for part in vector] if square > _OPPOSITE else None


def _dot(first: Vector, second: Vector) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True))
