"""The arithmetic that operators on weights share: exact sums, trimming, elections, random masks.

Everything here works on the deltas of one tensor. Results do not depend on the order of operands, to the byte:
floating-point addition depends on the order of its terms, so each element's terms are added in ascending order.
Sums and products are float64 (float32 where a device has none), the result is rounded to float32 once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import torch
    from torch import Tensor

AT_ONCE: Final = 1 << 22
"""Elements that are worked on at once: what bounds the memory of many operands. Even, as a draw gives two numbers."""

Merge = Callable[[Sequence["Tensor"]], "Tensor"]
"""How the weighted deltas of some elements, in ascending order, become what is added to the base."""


def working(device: torch.device) -> torch.dtype:
    """The type that sums are taken in."""
    import torch

    return torch.float32 if device.type == "mps" else torch.float64


def present(
    deltas: Sequence[Tensor], strengths: Sequence[float], keys: Sequence[str]
) -> tuple[list[Tensor], list[float], list[str]]:
    """The operands whose strength is not zero: the others take no part in anything, whatever they hold.

    Raises ValueError where the sequences are not equally long.
    """
    kept = [operand for operand in zip(deltas, strengths, keys, strict=True) if operand[1] != 0]
    return [delta for delta, _, _ in kept], [strength for _, strength, _ in kept], [key for _, _, key in kept]


def weighted_sum(base: Tensor, deltas: Sequence[Tensor], strengths: Sequence[float]) -> Tensor:
    """`base + Σ strength · delta`."""
    return _merged(base, deltas, strengths, _added)


def elected_mean(base: Tensor, deltas: Sequence[Tensor], strengths: Sequence[float]) -> Tensor:
    """`base` plus, at each element, the mean of the weighted deltas that have the elected sign.

    The elected sign is that of `Σ strength · delta`; where that is zero nothing is elected and nothing is added. Only
    those who agree are counted, so an element that one operand alone changes is changed in full.
    """
    return _merged(base, deltas, strengths, _elected)


def trimmed(delta: Tensor, density: float) -> Tensor:
    """The delta with zeros where its magnitude is less than that of the k-th largest, k = ⌈density · elements⌉.

    Elements as large as the k-th are all kept, so that nothing depends on the order in which they lie.
    """
    count = kept(density, delta.numel())
    if count >= delta.numel():
        return delta
    sizes = delta.abs().reshape(-1)
    if sizes.device.type == "mps":  # cannot select there
        sizes = sizes.cpu()
    least = sizes.kthvalue(sizes.numel() - count + 1).values.to(delta.device)
    return delta.where(delta.abs() >= least, 0)


def kept(density: float, elements: int) -> int:
    """`⌈density · elements⌉` of the number as it was written: 7 % of 100 are 7, though 0.07 · 100 is a little more.

    >>> kept(0.07, 100), kept(0.5, 3), kept(1, 5)
    (7, 2, 5)
    """
    return ceil(Fraction(repr(density)) * elements)


def uniform(key: str, seed: int, like: Tensor) -> Tensor:
    """Numbers in [0, 1), float32, in the shape of `like`: each of the 2²⁴ that a float32 can hold evenly spaced.

    Philox-4x64-10 (Salmon et al. 2011), a counter-based generator: element i is a function of i, seed and key alone.
    Its 128-bit key is the start of SHA-256 over both, so that any two keys give unrelated numbers.
    """
    import numpy
    import torch

    digest = hashlib.sha256(f"{seed}\n{key}".encode()).digest()
    source = numpy.random.Philox(key=int.from_bytes(digest[:16], "little"))
    drawn = torch.empty(like.numel(), dtype=torch.float32)
    for part in _parts(like.numel()):
        size = part.stop - part.start
        words = source.random_raw((size + 1) // 2).astype("<u8", copy=False).view("<u4")[:size]
        drawn[part] = torch.from_numpy((words >> 8).astype(numpy.float32) * numpy.float32(2**-24))
    return drawn.reshape(like.shape).to(like.device)


def inner(first: Tensor, second: Tensor) -> float:
    """The inner product of two deltas as vectors; exchanging them gives the same bytes."""
    first, second, total = first.reshape(-1), second.reshape(-1), 0.0
    kind = working(first.device)
    for part in _parts(first.numel()):
        total += float((first[part].to(kind) * second[part].to(kind)).sum())
    return total


def _merged(base: Tensor, deltas: Sequence[Tensor], strengths: Sequence[float], merge: Merge) -> Tensor:
    import torch

    if not deltas:
        return base.clone()
    kind = working(base.device)
    total = torch.empty_like(base, memory_format=torch.contiguous_format)
    flat, changes, result = base.reshape(-1), [delta.reshape(-1) for delta in deltas], total.view(-1)
    for part in _parts(flat.numel()):
        terms = [strength * delta[part].to(kind) for delta, strength in zip(changes, strengths, strict=True)]
        if len(terms) > 2:  # the sum of two does not depend on their order
            terms = list(torch.stack(terms).sort(dim=0).values)
        result[part] = flat[part].to(kind) + merge(terms)
    return total


def _added(terms: Sequence[Tensor]) -> Tensor:
    total, *rest = terms
    for term in rest:
        total = total + term
    return total


def _elected(terms: Sequence[Tensor]) -> Tensor:
    sign = _added(terms).sign()
    agreeing = [(term.sign() == sign) & (sign != 0) for term in terms]
    mean = _added([term.where(agrees, 0) for term, agrees in zip(terms, agreeing, strict=True)])
    return mean / _added([agrees.to(mean.dtype) for agrees in agreeing]).clamp(min=1)


def _parts(elements: int) -> Iterator[slice]:
    for start in range(0, elements, AT_ONCE):
        yield slice(start, min(start + AT_ONCE, elements))
