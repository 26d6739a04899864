"""How many steps fractions are: one arithmetic for the rules, which foresee a run, and the engine, which takes it."""

from __future__ import annotations

import math


def steps_until(fraction: float, total: int) -> int:
    """How many of `total` steps lie before a fraction of the run: rounded, halves up."""
    return min(total, max(0, math.floor(fraction * total + 0.5)))


def steps_taken(strength: float, total: int) -> int:
    """How many of `total` steps a re-noising to `strength` takes, the last ones: rounded down."""
    # The small addend keeps 0.3 × 10, which is 3.0000000000000004 or 2.9999999999999996, at three steps.
    return min(total, math.floor(strength * total + 1e-6))
