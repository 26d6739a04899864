"""What is known of pairs of adapters: shipped with the index, computed before, or computed now from small files.

Computed figures are kept in a JSON file under the user's cache folder, by the digests of the two files. Losing it
costs time, nothing else.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from mosaic.catalog.digests import cache_folder
from mosaic.catalog.index import locate
from mosaic.catalog.interference import interference
from mosaic.compiler.diagnostic import InternalError, MosaicError
from mosaic.compiler.facts import ExpertFacts, FileFact, Interference

RELATION: Final = "interferes"
"""The name of the relation in the index and in a catalog."""
LARGEST: Final = 64 << 20
"""Two files of together more bytes than this are not read while a plan is checked."""
_KEPT: Final = 4096
"""Pairs in the cache; the oldest go first."""
_VERSION: Final = 1
_DIGITS: Final = 4

_Pair = tuple[str, str]


def to_json(value: Interference) -> dict[str, Any]:
    """As plain JSON. Figures are rounded to four digits: more are not worth a line in a diff."""
    content = asdict(value)
    content["layers"] = [[name, _rounded(cosine)] for name, cosine in value.layers]
    return {key: _rounded(item) if isinstance(item, float) else item for key, item in content.items()}


def from_json(content: Mapping[str, Any]) -> Interference:
    """Read back. Raises KeyError, TypeError or ValueError for what is none."""
    return Interference(
        cosine=float(content["cosine"]),
        overlap=float(content["overlap"]),
        conflict=float(content["conflict"]),
        shared=int(content["shared"]),
        layers=tuple((str(name), float(cosine)) for name, cosine in content["layers"]),
        chance=float(content.get("chance", 0.0)),
    )


def read_edges(index: Mapping[str, Any]) -> dict[_Pair, Interference]:
    """The shipped pairs by their ids, in both orders. Raises InternalError for a malformed index."""
    try:
        edges = [edge for edge in index.get("edges", ()) if edge["relation"] == RELATION]
        known = {(edge["first"], edge["second"]): from_json(edge["value"]) for edge in edges}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InternalError(f"the index of shipped experts has a malformed edge: {error!r}") from error
    return known | {(second, first): value for (first, second), value in known.items()}


def measured(first: ExpertFacts, second: ExpertFacts) -> Interference | None:
    """From the files of two experts, of any size; None where they are not at hand or tell nothing."""
    one, two = _weights(first), _weights(second)
    if one is None or two is None:
        return None
    try:
        return interference(locate(one.location), locate(two.location))
    except (MosaicError, OSError):
        return None  # others speak of files that are broken or gone


class Pairs:
    """Computes how two adapters meet, each pair once in this user's life."""

    def __init__(self, store: Path | None = None) -> None:
        """`store` is the JSON file; the default is `interference.json` in the cache folder."""
        self._store = store if store is not None else cache_folder() / "interference.json"
        self._known: dict[str, Interference | None] | None = None

    def get(self, first: ExpertFacts, second: ExpertFacts) -> Interference | None:
        """From both files where they are at hand, small and plain LoRAs; else None."""
        one, two = _weights(first), _weights(second)
        if one is None or two is None or one.size + two.size > LARGEST:
            return None
        key = ":".join(_pair(one.sha256, two.sha256))
        if self._known is None:
            self._known = _read(self._store)
        if key in self._known:
            return self._known[key]
        if importlib.util.find_spec("numpy") is None:
            return None
        try:
            found = interference(locate(one.location), locate(two.location))
        except (MosaicError, OSError):
            return None  # other rules speak of files that are broken or gone
        self._keep(key, found)
        return found

    def _keep(self, key: str, found: Interference | None) -> None:
        # Another process may have written since: its entries are taken over.
        known = {**_read(self._store), **(self._known or {}), key: found}
        self._known = dict(list(known.items())[-_KEPT:])
        pairs = {key: to_json(value) if value else None for key, value in self._known.items()}
        # A cache that cannot be written (a read-only home) is no reason to stop.
        with suppress(OSError):
            _write(self._store, json.dumps({"version": _VERSION, "pairs": pairs}, indent=0))


def _pair(first: str, second: str) -> _Pair:
    return (first, second) if first <= second else (second, first)


def _rounded(value: float) -> float:
    return round(value, _DIGITS) + 0.0  # no "-0.0"


def _weights(expert: ExpertFacts) -> FileFact | None:
    """The one file of an adapter that holds tensors, where it is at hand and hashed."""
    files = [file for file in expert.files if file.name.endswith(".safetensors")]
    if len(files) != 1 or not files[0].location or not files[0].sha256:
        return None
    return files[0]


def _read(store: Path) -> dict[str, Interference | None]:
    try:
        content = json.loads(store.read_text(encoding="utf-8"))
        if content["version"] != _VERSION:
            return {}
        return {key: from_json(value) if value else None for key, value in content["pairs"].items()}
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return {}


def _write(store: Path, text: str) -> None:
    import tempfile  # rarely needed: most runs find what they look for

    store.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=store.parent, prefix=".interference-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(temporary, store)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise
