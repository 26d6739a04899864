"""An expert as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mosaic.catalog.record import facts_to_json
from mosaic.cli.console import JSON_VERSION

if TYPE_CHECKING:
    from mosaic.api.catalog.relations import Related
    from mosaic.catalog.record import Record
    from mosaic.catalog.store import Store


def document(store: Store, record: Record, around: Related) -> dict[str, Any]:
    """The JSON shape that docs/json.md describes."""
    return {
        "version": JSON_VERSION,
        "catalog": store.place,
        "digest": record.digest,
        "facts": facts_to_json(record.facts),
        "description": record.description,
        "author": record.author,
        "tags": list(record.tags),
        "aliases": list(record.aliases),
        "scores": [
            {"name": score.name, "share": score.share, "low": score.low, "high": score.high, "n": score.n}
            for score in record.scores
        ],
        "claims": [
            {"key": claim.key, "value": claim.value, "evidence": str(claim.evidence), "source": claim.source}
            for claim in record.claims
        ],
        "edges": [
            {"relation": edge.relation, "first": edge.first, "second": edge.second, "value": edge.value}
            for edge in record.edges
        ],
        "bases": [
            {
                "id": base.id,
                "matched": base.coverage.matched if base.coverage else None,
                "total": base.coverage.total if base.coverage else None,
                "fits": base.fits,
            }
            for base in around.bases
        ],
        "plan": around.snippet if not around.problems else "",
    }
