"""A backend that writes what a script says, and briefs as composing makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mosaic.agent.composing import compose
from mosaic.agent.offline.backend import OfflineBackend
from mosaic.agent.values import Brief, Decomposition, Draft, Estimate, Request, Round, Usage
from mosaic.agent.world import World

Said = str | Draft | Exception


class Scripted:
    """Answers one text after the other, the last one for ever; an exception is raised. `asked` holds the rounds that it
    was shown each time."""

    name = "scripted"
    model = "script"
    endpoint = ""

    def __init__(
        self, *said: Said, read: Callable[[Request], tuple[Decomposition, Usage]] | None = None
    ) -> None:
        self._said, self._read = said, read
        self.asked: list[tuple[Round, ...]] = []

    def estimate(self, request: Request) -> Estimate:
        """Whatever."""
        return Estimate(calls=3, input_tokens=3000, output_tokens=300, rounds=3)

    def decompose(self, request: Request) -> tuple[Decomposition, Usage]:
        """By whoever reads for it."""
        assert self._read is not None
        return self._read(request)

    def draft(self, brief: Brief) -> Draft:
        """The first text."""
        return self._next(())

    def repair(self, brief: Brief, rounds: Sequence[Round]) -> Draft:
        """The next one."""
        return self._next(tuple(rounds))

    def _next(self, rounds: tuple[Round, ...]) -> Draft:
        self.asked.append(rounds)
        said = self._said[min(len(self.asked), len(self._said)) - 1]
        if isinstance(said, Exception):
            raise said
        if isinstance(said, Draft):
            return said
        return Draft(plan=said, usage=Usage(calls=1, input_tokens=100, output_tokens=10))


def brief_of(request: Request, world: World) -> Brief:
    """What a backend would be told of a request."""
    trace = compose(request, world, OfflineBackend(world))
    assert trace.decomposition is not None and trace.shortlist is not None and trace.ranking is not None
    return Brief(
        request=request,
        decomposition=trace.decomposition,
        shortlist=trace.shortlist,
        ranking=trace.ranking,
    )
