"""The backend without a model: deterministic, and as good as the catalog's words are."""

from __future__ import annotations

from collections.abc import Sequence

from mosaic.agent.offline.decompose import decompose
from mosaic.agent.offline.lexicon import Lexicon, lexicon
from mosaic.agent.values import Brief, Decomposition, Draft, Estimate, Request, Round, Usage
from mosaic.agent.world import World


class OfflineBackend:
    """Implements `mosaic.agent.backend.Backend` over a catalog's words and a lexicon."""

    name = "offline"
    model = ""
    endpoint = ""

    def __init__(self, world: World, words: Lexicon | None = None) -> None:
        self._world, self._lexicon = world, words or lexicon()

    def estimate(self, request: Request) -> Estimate:
        """Nothing."""
        return Estimate()

    def decompose(self, request: Request) -> tuple[Decomposition, Usage]:
        """The parts of a request, by words."""
        return decompose(request.text, self._world, self._lexicon), Usage()

    def draft(self, brief: Brief) -> Draft:
        """The plan of the best combination."""
        return Draft(plan=brief.ranking.combinations[0].plan)

    def repair(self, brief: Brief, rounds: Sequence[Round]) -> Draft:
        """The plan of the next best combination; the last one stays."""
        ranked = brief.ranking.combinations
        return Draft(plan=ranked[min(len(rounds), len(ranked) - 1)].plan)
