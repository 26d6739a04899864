"""From claims to facts: of each key, the claim with the best evidence wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from mosaic.catalog.reading.given import Declared
from mosaic.catalog.record import Claim, Evidence

_ORDER: Final[Mapping[Evidence, int]] = {evidence: number for number, evidence in enumerate(Evidence)}


def ranked(claims: Iterable[Claim]) -> tuple[Claim, ...]:
    """Claims by the trust in their evidence; of one evidence, in the order given."""
    return tuple(sorted(claims, key=lambda claim: _ORDER[claim.evidence]))


def best(claims: Sequence[Claim], key: str) -> Claim | None:
    """The most trusted claim of a key among claims that are ranked."""
    return next((claim for claim in claims if claim.key == key), None)


def value(claims: Sequence[Claim], key: str, otherwise: Any = None) -> Any:
    """What the most trusted claim of a key says; lists come back as tuples."""
    found = best(claims, key)
    if found is None:
        return otherwise
    return tuple(found.value) if isinstance(found.value, list) else found.value


def triggers(claims: Sequence[Claim]) -> tuple[str, ...]:
    """Every word known to call the expert, the usual one first."""
    found: dict[str, None] = {}
    for claim in claims:
        if claim.key == "trigger":
            found[claim.value] = None
    for claim in claims:
        if claim.key == "triggers":
            found.update(dict.fromkeys(claim.value))
    return tuple(found)


_DECLARED: Final = (
    "title",
    "description",
    "author",
    "trigger",
    "license",
    "rating",
    "category",
    "strengths",
    "excludes",
    "last",
    "tags",
    "family",
    "prediction",
    "clip_skip",
)


def declared_claims(declared: Declared) -> list[Claim]:
    """A person's statements as claims."""
    source = declared.source or "options"
    said = ((key, getattr(declared, key)) for key in _DECLARED)
    return [
        Claim(key, list(stated) if isinstance(stated, tuple) else stated, Evidence.DECLARED, source)
        for key, stated in said
        if stated not in (None, ())
    ]
