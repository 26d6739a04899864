"""The expert that a person means: by id, alias, digest or path."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.compiler.errors.catalog_face import NotInCatalog, SeveralExperts
from mosaic.compiler.types import EXPERTS

if TYPE_CHECKING:
    from mosaic.catalog.record import Record
    from mosaic.catalog.store import Store
    from mosaic.compiler.diagnostic import Diagnostic

_DIGEST = re.compile(r"(?i)(?:sha256:|blake3:)?([0-9a-f]{8,64})")


def record_of(store: Store, reference: str) -> Record:
    """By id or alias, or by the beginning of any of its digests. Raises MosaicError (M840, M843)."""
    from mosaic.compiler.diagnostic import MosaicError

    found = store.record(reference)
    if found is not None:
        return found
    digest = _DIGEST.fullmatch(reference)
    holders = store.by_digest(digest[1].lower()) if digest else ()
    if len(holders) > 1:
        raise MosaicError(SeveralExperts(None, reference, tuple(facts.id for facts in holders)))
    found = store.record(holders[0].id) if holders else None
    if found is None:
        raise MosaicError(unknown(store, reference))
    return found


def unknown(store: Store, reference: str) -> Diagnostic:
    """That there is no such expert, with those that are spelt alike."""
    near = dict.fromkeys(id for kind in EXPERTS for id in store.near(kind, reference))
    return NotInCatalog(None, reference, store.place, tuple(near)[:3])
