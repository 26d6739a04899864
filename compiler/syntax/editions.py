"""The editions of the language, and which of them are on their way out.

An edition that this version does not read at all is an error (M102); one that it still reads and that a later one has
taken the place of is told by `mosaic lint`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mosaic.compiler.syntax.limits import EDITION


@dataclass(frozen=True)
class Edition:
    """An edition that is read. `successor` is the one that took its place, None while none did; `changes` says in words
    what has to be written otherwise there."""

    number: int
    successor: int | None = None
    changes: str = ""


EDITIONS: Final[Mapping[int, Edition]] = MappingProxyType({EDITION: Edition(EDITION)})
"""By number."""
