"""How an engine is told to run: what changes costs, and no picture by more than rounding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ROWS_AT_ONCE: Final = 16
"""The most rows of one call, as the engine makes them where it is told nothing."""


@dataclass(frozen=True)
class Manner:
    """`rows_at_once` is the most rows in one call of a denoiser (`--batch`). With `offload` networks lie in main memory
    and are on the device one at a time (`--offload`). `runs` is how many runs of one model may denoise together.
    """

    rows_at_once: int = ROWS_AT_ONCE
    offload: bool = False
    runs: int = 1

    def together(self, rows: int) -> int:
        """The most rows in one call, of runs that ask for so many each."""
        return max(rows, min(self.rows_at_once, rows * self.runs))
