"""Which words a base understands, told by its tokenizer.

A text encoder that was trained on a few hundred words (the zoo's) spells every other word in pieces that it has hardly
seen, and what it makes of them spoils the picture. CLIP's own vocabulary has 48,894 merges and a word for most things:
to a base with that, anything may be said.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

from mosaic.agent.world import World
from mosaic.compiler.facts import ExpertFacts

_OPEN: Final = 8000
"""Merges from which a vocabulary is taken to be open."""


class Tongue:
    """What one base understands."""

    def __init__(self, world: World, base: ExpertFacts) -> None:
        self._experts, self._base = world.context.experts, base
        self._known: dict[str, bool] = {}

    @cached_property
    def limit(self) -> int | None:
        """How many tokens a prompt may have; None where that is not known."""
        count = self._experts.tokens(self._base, (), "a")
        return count.limit if count is not None else None

    @cached_property
    def closed(self) -> bool:
        """Whether the base knows a few words only."""
        count = self._experts.tokens(self._base, (), "a")
        return count is not None and 0 < count.merges < _OPEN

    def knows(self, word: str) -> bool:
        """Whether a word may stand in a prompt: any, where the vocabulary is open."""
        if not self.closed:
            return True
        if word not in self._known:
            count = self._experts.tokens(self._base, (), word)
            self._known[word] = count is not None and count.used == 1
        return self._known[word]

    def length(self, text: str, embeddings: tuple[ExpertFacts, ...] = ()) -> int | None:
        """How many tokens a text takes."""
        count = self._experts.tokens(self._base, embeddings, text)
        return count.used if count is not None else None
