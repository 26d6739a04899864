"""What prompts say: words that give a picture a rating, as whoever knows a list of them tells the compiler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Found:
    """A word of a prompt that has a rating. `word` is as it stands in the prompt."""

    word: str
    category: str
    rating: str  # one of mosaic.compiler.facts.RATINGS


class Words(Protocol):
    """A list of rated words."""

    def found(self, text: str) -> Sequence[Found]:
        """The rated words of a text, in its order; each once."""


@dataclass(frozen=True)
class NoWords:
    """An empty list."""

    def found(self, text: str) -> Sequence[Found]:
        """Nothing."""
        return ()
