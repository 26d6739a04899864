"""Where results come from."""

from __future__ import annotations

from enum import StrEnum


class Origin(StrEnum):
    """Where an instruction's result came from."""

    COMPUTED = "computed"
    SHARED = "shared"  # an equal value was at hand: of this program, or of another of the same invocation
    CACHE = "cache"  # read from the cache
    UNUSED = "unused"  # not needed: what it is for was at hand
