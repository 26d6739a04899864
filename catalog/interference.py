"""How the deltas of two LoRAs meet, from their factors alone: Gram traces, no delta is materialised.

With ΔA = Ua·Da and ΔB = Ub·Db (scales multiplied in), the Frobenius inner product is
tr(ΔAᵀ·ΔB) = Σ (Uaᵀ·Ub) ∘ (Da·Dbᵀ): two rank × rank matrices instead of two of the layer's size. The spaces that two
deltas share are told by the cosines of their principal angles (Björck & Golub 1973, doi:10.2307/2005662), again from
Gram matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mosaic.compiler.facts import Interference

if TYPE_CHECKING:
    from mosaic.catalog.factors import Array, Factors, Module

SHOWN: Final = 5
"""Modules that are named."""
_NEGLIGIBLE: Final = 1e-5
"""Directions with a singular value below this part of the largest are rounding, not part of a delta's space."""


def interference(first: Path, second: Path) -> Interference | None:
    """How the deltas of two LoRA files meet, at strength one.

    One module of each file is in memory at a time. None where it cannot be told: no numpy, another algorithm than
    plain LoRA, a number format that is not known, numbers that are not finite, or modules of one name and two shapes
    (adapters of different families). Raises MosaicError for a file that is no safetensors file, OSError for one that
    cannot be read.
    """
    try:
        from mosaic.catalog.factors import Factors, NoFactors
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        return None
    try:
        with Factors(first) as one, Factors(second) as two:
            return _summed([met for key in one.modules if (met := _met(key, one, two)) is not None])
    except NoFactors:
        return None


@dataclass(frozen=True)
class _Met:
    """What one module that both change adds to the sums."""

    module: str
    inner: float
    norms: tuple[float, float]
    overlap: float  # 0..1
    chance: float  # 0..1

    @property
    def weight(self) -> float:
        """How much of what the two have in common lies here."""
        return self.energy * (abs(self.inner) / self.energy + max(0.0, self.overlap - self.chance))

    @property
    def energy(self) -> float:
        """The joint energy: the largest that the inner product could be."""
        return self.norms[0] * self.norms[1]


def _met(key: str, one: Factors, two: Factors) -> _Met | None:
    from mosaic.catalog.factors import NoFactors

    if key not in two.modules:
        return None
    a, b = one.read(key), two.read(key)
    if a.shape != b.shape:
        raise NoFactors(key)
    ups, downs = a.up.T @ b.up, a.down @ b.down.T
    first, second = _Spaces.of(a), _Spaces.of(b)
    inner = float((ups * downs).sum())
    overlap, chance = first.shared(second, ups, downs), first.chance(second, a.shape)
    return _Met(key, inner, (first.norm, second.norm), overlap, chance)


@dataclass(frozen=True)
class _Spaces:
    """A delta's column and row space: orthonormal bases `up @ columns` and `down.T @ rows`, each (rank, k) here."""

    norm: float
    columns: Array
    rows: Array

    @classmethod
    def of(cls, module: Module) -> _Spaces:
        import numpy as np

        up, down = module.up.T @ module.up, module.down @ module.down.T
        # Δ·Δᵀ = (U·L)·(U·L)ᵀ with L·Lᵀ = D·Dᵀ, so its eigenvectors are U·L times those of Lᵀ·UᵀU·L.
        values, vectors = np.linalg.eigh(down)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        squares, inner = np.linalg.eigh(root.T @ up @ root)
        kept = squares > max(squares[-1], 0.0) * _NEGLIGIBLE**2
        left = root @ inner[:, kept]
        return cls(
            norm=sqrt(max(float((up * down).sum()), 0.0)),
            columns=left / np.sqrt(squares[kept]),
            rows=up @ left / squares[kept],
        )

    def shared(self, other: _Spaces, ups: Array, downs: Array) -> float:
        """The mean squared cosine of the principal angles, of columns and rows together."""
        smaller: int = min(self.columns.shape[1], other.columns.shape[1])
        if not smaller:
            return 0.0
        columns = float(((self.columns.T @ ups @ other.columns) ** 2).sum())
        rows = float(((self.rows.T @ downs @ other.rows) ** 2).sum())
        return float(min(1.0, (columns + rows) / (2 * smaller)))

    def chance(self, other: _Spaces, shape: tuple[int, int]) -> float:
        """What `shared` is on average for random spaces of these dimensions in a delta of this shape."""
        if not self.columns.shape[1] or not other.columns.shape[1]:
            return 0.0
        larger: int = max(self.columns.shape[1], other.columns.shape[1])
        return float(larger / shape[0] + larger / shape[1]) / 2


def _summed(met: list[_Met]) -> Interference | None:
    from math import isfinite

    energy = sum(each.energy for each in met)
    if not isfinite(energy):
        return None
    if not energy:  # nothing in common, or nothing but zeros
        return Interference(0.0, 0.0, 0.0, len(met))
    norms = [sqrt(sum(each.norms[side] ** 2 for each in met)) for side in (0, 1)]
    cosine = sum(each.inner for each in met) / (norms[0] * norms[1])
    live = [each for each in met if each.energy]
    worst = sorted(live, key=lambda each: (-each.weight, each.module))[:SHOWN]
    return Interference(
        cosine=max(-1.0, min(1.0, cosine)),
        overlap=sum(each.overlap * each.energy for each in met) / energy,
        conflict=sum(each.energy for each in met if each.inner < 0) / energy,
        shared=len(met),
        layers=tuple((each.module, each.inner / each.energy) for each in worst),
        chance=sum(each.chance * each.energy for each in met) / energy,
    )
