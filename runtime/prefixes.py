"""Runs that are told the same and end at different steps: the longer one goes on from the shorter one.

A run that is cut and resumed takes exactly the steps of the uncut one, so in an invocation the steps that several
programs have in common are taken once, also where no instruction of theirs is equal: `until: 50%` in one program and
`until: 75%` in the next.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from mosaic.compiler.program import Denoise, Operation, Resume
from mosaic.compiler.steps import steps_until
from mosaic.runtime.values import Latent, Mix, Model, Turn, Value, leaves

_VALUES: Final = ("model", "latent", "positive", "negative")
STANDS: Final = -1
"""The number of the latent from which a run goes on: no instruction of a program made it."""


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


def rest(operation: Denoise | Resume) -> Resume:
    """The same run from where a shorter one ended, which is value `STANDS`."""
    return Resume(
        model=operation.model,
        latent=STANDS,
        positive=operation.positive,
        negative=operation.negative,
        guidance=operation.guidance,
        until=operation.until,
    )


def left(operation: Denoise | Resume, latent: Value) -> bool:
    """Whether a run has steps left where a shorter one ended: fractions that differ may be the same step."""
    assert isinstance(latent, Latent) and latent.run is not None, "it comes out of a run"
    return steps_until(operation.until, latent.run.total) > latent.run.position


def crosses(model: Value) -> bool:
    """Whether a run goes through several latent spaces: carried over between two steps, it stays in one piece."""
    assert isinstance(model, Model | Turn | Mix), "`verify` has proven the types of all values"
    return len({leaf.space for leaf in leaves(model)}) > 1


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
