"""What a plan may cost: the `budget` block as a value."""

from __future__ import annotations

from dataclasses import dataclass, field

from mosaic.compiler.source import Span


@dataclass(frozen=True)
class Budget:
    """A budget; None where nothing is said.

    `latency` is the most seconds that an emit may take with weights resident, `cold_latency` with nothing resident,
    `memory` the most bytes on the device, `quality` the least fidelity, as a share of the best operator's. `said` has
    the place of the value of each key.
    """

    latency: float | None = None
    cold_latency: float | None = None
    memory: int | None = None
    quality: float | None = None
    said: tuple[tuple[str, Span], ...] = field(default=(), compare=False)

    def under(self, other: Budget | None) -> Budget:
        """This one's limits, and the other's where this one says nothing."""
        if other is None:
            return self
        mine = dict(self.said)
        return Budget(
            latency=self.latency if "latency" in mine else other.latency,
            cold_latency=self.cold_latency if "cold_latency" in mine else other.cold_latency,
            memory=self.memory if "memory" in mine else other.memory,
            quality=self.quality if "quality" in mine else other.quality,
            said=(*self.said, *((key, span) for key, span in other.said if key not in mine)),
        )

    @property
    def limits_cost(self) -> bool:
        """Whether anything has to be predicted to judge it."""
        return (self.latency, self.cold_latency, self.memory) != (None, None, None)

    def place(self, key: str) -> Span:
        """Where a limit is written."""
        return dict(self.said)[key]
