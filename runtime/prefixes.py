"""Runs that are told the same and end at different steps: the longer one goes on from the shorter one.

A run that is cut and resumed takes exactly the steps of the uncut one, so in an invocation the steps that several
programs have in common are taken once, also where no instruction of theirs is equal: `until: 50%` in one program and
`until: 75%` in the next.
"""

from __future__ import annotations

from typing import Final

from mosaic.compiler.program import Denoise, Resume
from mosaic.compiler.steps import steps_until
from mosaic.runtime.values import Latent, Mix, Model, Turn, Value, leaves

STANDS: Final = -1
"""The number of the latent from which a run goes on: no instruction of a program made it."""


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
