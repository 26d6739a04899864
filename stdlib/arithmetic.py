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
IN_CACHE: Final = 1 << 15
"""Elements that are summed at once on a CPU, so that what lies between two operations stays in its cache."""
MOST_COMPARED: Final = 32
"""Operands from which on a library's sort is not slower than comparing them pair by pair."""

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
    for part in _parts(flat.numel(), IN_CACHE if base.device.type == "cpu" else AT_ONCE):
        terms = [strength * delta[part].to(kind) for delta, strength in zip(changes, strengths, strict=True)]
        if len(terms) > 2:  # the sum of two does not depend on their order
            terms = ascending(terms)
        result[part] = flat[part].to(kind) + merge(terms)
    return total


def ascending(terms: Sequence[Tensor]) -> list[Tensor]:
    """Tensors of one shape, sorted at each element: the first has the smallest, the last the largest. Zeros come
    without a sign; where one is not a number, none of that element need be.

    By Batcher's odd-even merge sort (1968): whole tensors are compared, where a library sorts every element apart.
    """
    import torch

    if len(terms) > MOST_COMPARED:
        return list(torch.stack([term + 0.0 for term in terms]).sort(dim=0).values)
    # Of -0 and 0 both would be the least and the largest; adding 0 leaves only the latter.
    found = [term + 0.0 for term in terms]
    for low, high in comparators(len(found)):
        found[low], found[high] = (
            torch.minimum(found[low], found[high]),
            torch.maximum(found[low], found[high]),
        )
    return found


def comparators(count: int) -> Iterator[tuple[int, int]]:
    """The pairs of places that sort so many, compared one after the other (Knuth, The Art of Computer Programming 3,
    section 5.2.2, algorithm M).

    >>> list(comparators(3))
    [(0, 1), (0, 2), (1, 2)]
    """
    size = 1
    while size < count:
        stride = size
        while stride:
            for start in range(stride % size, count - stride, 2 * stride):
                for low in range(start, start + min(stride, count - start - stride)):
                    if low // (2 * size) == (low + stride) // (2 * size):
                        yield low, low + stride
            stride //= 2
        size *= 2


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


def _parts(elements: int, at_once: int = AT_ONCE) -> Iterator[slice]:
    for start in range(0, elements, at_once):
        yield slice(start, min(start + at_once, elements))
