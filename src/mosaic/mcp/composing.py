"""Plans for requests in plain words, without a language model: the client is one already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mosaic.agent.asking import request_of
from mosaic.agent.composing import compose
from mosaic.agent.values import LeftOut
from mosaic.agent.world import World
from mosaic.mcp import bounds, values
from mosaic.mcp.workbench import Workbench


class Composer:
    """Composes in the server's project."""

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench

    def compose(
        self,
        request: str,
        policy: Mapping[str, str],
        latency: str | None,
        base: str | None,
        wanted: Sequence[str],
        without: Sequence[str],
        seed: int,
    ) -> values.Composition:
        """A plan for a request. Raises MosaicError and UsageError for what means nothing."""
        from mosaic.agent.offline.backend import OfflineBackend

        for name in (base or "", latency or "", *wanted, *without):
            bounds.at_most("an id", name, bounds.LONGEST_NAME)
        wish = request_of(
            request,
            policy=policy,
            budget={} if latency is None else {"latency": latency},
            base=base,
            wanted=wanted,
            without=without,
            seed=seed,
        )
        with self._workbench.project() as project:
            world = World(project)
            answer = compose(wish, world, OfflineBackend(world)).answer
        assert answer is not None, "a composition that ends has an answer"
        return values.Composition(
            met=answer.met,
            plan=answer.plan,
            explanation=self._shown(answer.explanation, bounds.LONGEST_PLAN),
            unmet=self._missing(answer.unmet),
            left_out=self._missing(answer.left_out),
            experts=[bounds.shown(id, bounds.LONGEST_NAME) for id in answer.experts],
            seconds=answer.seconds,
        )

    def _missing(self, found: Sequence[LeftOut]) -> list[values.Missing]:
        return [
            values.Missing(what=self._shown(each.what), reason=self._shown(each.reason))
            for each in found[: bounds.MOST_RESULTS]
        ]

    def _shown(self, text: str, most: int = bounds.LONGEST_TEXT) -> str:
        return bounds.shown(self._workbench.places.hidden(text), most)
