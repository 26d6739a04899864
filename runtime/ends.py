"""Which runs of an invocation are told the same and end at different steps. Needs no torch: see `prefixes.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from mosaic.compiler.program import Denoise, Operation, Resume

_VALUES: Final = ("model", "latent", "positive", "negative")


def told(operation: Operation, keys: dict[int, str]) -> str:
    """What a run is told, but for its end; empty for what is no run, or one that ends after so many steps. `keys` are
    those of the values that it takes."""
    if not isinstance(operation, Denoise | Resume) or (isinstance(operation, Resume) and operation.steps):
        return ""
    written: dict[str, Any] = operation.model_dump(mode="json", exclude={"until"})
    for name in _VALUES:
        if name in written:
            written[name] = keys[written[name]]
    return json.dumps(written, sort_keys=True)


@dataclass
class Ends:
    """The runs that an invocation will take, by what they are told, with their ends."""

    _found: dict[str, dict[float, str]] = field(default_factory=dict)

    def note(self, what: str, until: float, key: str) -> None:
        """Remember that a run is to be taken until a fraction of its steps."""
        if what:
            self._found.setdefault(what, {}).setdefault(until, key)

    def before(self, what: str, until: float) -> tuple[float, str] | None:
        """The longest of the runs that are told the same and end earlier."""
        shorter = [end for end in self._found.get(what, ()) if end < until]
        return (max(shorter), self._found[what][max(shorter)]) if shorter else None

    def continued(self) -> Iterator[str]:
        """The runs that another one goes on from, once each."""
        for ends in self._found.values():
            for until in sorted(ends)[:-1]:
                yield ends[until]
