"""Who reads a request and writes the plan: the protocol of backends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mosaic.agent.values import Brief, Decomposition, Draft, Estimate, Request, Round, Usage


class Backend(Protocol):
    """Reads requests and writes plans. What it writes is checked and held to the request by whoever asks it.

    Methods raise MosaicError (M862 to M865) where the model cannot be asked or gives nothing that can be used.
    """

    name: str  # "offline", "openai", "local"
    model: str  # empty where there is none
    endpoint: str  # scheme, host and port; empty where there is none

    def estimate(self, request: Request) -> Estimate:
        """What one composition spends at most, before anything is asked."""

    def decompose(self, request: Request) -> tuple[Decomposition, Usage]:
        """The parts of a request. Every facet's text stands in the request."""

    def draft(self, brief: Brief) -> Draft:
        """A first plan."""

    def repair(self, brief: Brief, rounds: Sequence[Round]) -> Draft:
        """Another plan, after the drafts before and what the compiler said of them. The last round did not compile."""
