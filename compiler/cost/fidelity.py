"""What was measured of composing: how often a picture shows all that its experts were to bring.

The rows are those of `mosaic bench composition`, or a user's own in the same shape: an operator with its settings at
their defaults, over sets of experts of some categories.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """One row: of so many `pictures`, composed by an operator from experts of these `categories` (sorted), the share
    that was right, with its 95 % interval."""

    operator: str
    categories: tuple[str, ...]
    share: float
    low: float
    high: float
    pictures: int


@dataclass(frozen=True)
class Expected:
    """The share that is expected of a fusion, and what it rests on: "these kinds" of experts, or "so many" of any."""

    share: float
    basis: str
    pictures: int


@dataclass(frozen=True)
class Fidelity:
    """All rows, and where they come from, in words."""

    rows: tuple[Measured, ...] = ()
    source: str = ""

    def of(self, operator: str, categories: Sequence[str]) -> Expected | None:
        """What an operator is expected to give for experts of these categories ("" where one is not known).

        Experts of exactly these categories count; where they were not measured, all of the same number; where so
        many were not measured, the nearest number that was. None where nothing was measured of the operator, or for
        fewer than two experts, which need no composing.
        """
        if len(categories) < 2:
            return None
        held = [row for row in self.rows if row.operator == operator]
        if not held:
            return None
        wanted = tuple(sorted(categories))
        exact = [row for row in held if row.categories == wanted]
        if exact:
            return _expected(exact, "these kinds")
        number = min((len(row.categories) for row in held), key=lambda n: (abs(n - len(wanted)), n))
        basis = "so many" if number == len(wanted) else f"{number} experts"
        return _expected([row for row in held if len(row.categories) == number], basis)

    @classmethod
    def read(cls, content: Mapping[str, object]) -> Fidelity:
        """From the JSON form. Raises KeyError, TypeError or ValueError for what is none."""
        rows = content["rows"]
        if not isinstance(rows, list):
            raise TypeError("`rows` is no list")
        return cls(tuple(_row(row) for row in rows), str(content["source"]))


def _expected(rows: Sequence[Measured], basis: str) -> Expected:
    pictures = sum(row.pictures for row in rows)
    return Expected(sum(row.share * row.pictures for row in rows) / pictures, basis, pictures)


def _row(row: Mapping[str, object]) -> Measured:
    categories = row["categories"]
    if not isinstance(categories, list):
        raise TypeError("`categories` is no list")
    numbers = {name: float(str(row[name])) for name in ("share", "low", "high")}
    if not all(0 <= number <= 1 for number in numbers.values()):
        raise ValueError("shares lie between 0 and 1")
    pictures = int(str(row["pictures"]))
    if pictures < 1:
        raise ValueError("a share is of at least one picture")
    return Measured(str(row["operator"]), tuple(sorted(map(str, categories))), pictures=pictures, **numbers)
