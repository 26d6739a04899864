"""Learning from runs: by how much operations take longer than is computed of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mosaic.compiler.cost.profile import Profile, Ratio

KEPT = 64
"""How many runs of an operation are remembered."""
_FEWEST = 3
"""Fewer runs teach nothing."""
_BAND = 0.1
"""A median this near to the one in use, as a part of it, changes nothing: what a plan costs, and so which operator it
takes, must not waver with the clock."""


def refined(profile: Profile, observations: Mapping[str, Sequence[float]]) -> Profile:
    """A profile that has learned from runs.

    `observations` are by operation the ratios of measured to computed seconds (computed without corrections), oldest
    first. They are gone through in order, so that the same history gives the same profile however often it is asked:
    the correction in use is kept until the median of what is remembered leaves a band around it.
    """
    found = dict(profile.refined)
    for op, ratios in observations.items():
        for end in range(_FEWEST, len(ratios) + 1):
            found[op] = _moved(found.get(op), sorted(ratios[max(0, end - KEPT) : end]))
    return profile.with_refined(found)


def _moved(used: Ratio | None, ratios: Sequence[float]) -> Ratio:
    p50, p90 = _quantile(ratios, 0.5), _quantile(ratios, 0.9)
    if used is not None and abs(p50 - used.p50) <= _BAND * used.p50:
        # Of runs that agree with what is in use, the rare slow ones are still news.
        return Ratio(
            used.p50, max(used.p50, used.p90 if abs(p90 - used.p90) <= _BAND * used.p90 else p90), len(ratios)
        )
    return Ratio(p50, p90, len(ratios))


def _quantile(ordered: Sequence[float], part: float) -> float:
    """Between neighbours in proportion."""
    place = part * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
