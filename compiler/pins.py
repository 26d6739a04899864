"""What a lock holds a plan to, as the compiler sees it: plain data, read from `mosaic.lock` by whoever has files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Pins:
    """Decisions that a lock took before. Empty where there is no lock.

    `finds` says which expert a `find` was resolved to, (kind, words) to its id; `operators` which operator a
    fusion without `via` was given, by the names of the experts that it blends; `steps` the number that was taken of a
    range of steps, by its bounds. `experts` gives, by id, the `content_digest` that an expert had. `strict` is set
    under `--locked` and `--frozen`: an expert that the lock does not hold is then an error, otherwise a warning.
    `place` is the lock's file as messages name it.

    Plans of one file may be held to different things: `plans` has the pins of each by name, `of` gives them.
    """

    finds: Mapping[tuple[str, str], str] = field(default_factory=dict, hash=False)
    experts: Mapping[str, str] = field(default_factory=dict, hash=False)
    strict: bool = False
    place: str = ""
    operators: Mapping[tuple[str, ...], str] = field(default_factory=dict, hash=False)
    steps: Mapping[tuple[int, int], int] = field(default_factory=dict, hash=False)
    plans: Mapping[str, Pins] = field(default_factory=dict, hash=False)

    def of(self, plan: str) -> Pins:
        """The pins of one plan of the file; none where the lock does not hold it."""
        return self.plans.get(plan, self)

    def __bool__(self) -> bool:
        """Whether a lock holds anything here."""
        return bool(self.place)
