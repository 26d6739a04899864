"""In which latent spaces a run goes on, where the models of a schedule work in several."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby

from mosaic.compiler.ir.evaluate import WHOLE_RUN, strength, window
from mosaic.compiler.ir.graph import Node
from mosaic.compiler.ir.models import BESIDE, MODELS
from mosaic.compiler.operators import Acts, Operator
from mosaic.compiler.steps import steps_until

MANY_STEPS = 1000
"""Enough to tell who denoises when; how many a run will have is said by whoever samples."""


@dataclass(frozen=True)
class Stretch:
    """Steps on end by one model. `position` is the input of the fusion that denoises, 0 the base."""

    position: int
    space: str


def spaces(inputs: tuple[Node, ...]) -> tuple[str, ...]:
    """The latent spaces of a fusion's base and operands, as far as they are known, each once, the base's first."""
    known = (given.type.space for given in inputs if given is inputs[0] or given.type.kind in MODELS)
    return tuple(dict.fromkeys(space for space in known if space))


def stretches(operator: Operator, settings: str, inputs: tuple[Node, ...]) -> tuple[Stretch, ...]:
    """Who denoises after whom, as a schedule tells it of a run of many steps. `settings` are in JSON."""
    parties = [
        at
        for at, given in enumerate(inputs)
        if at and given.type.kind not in BESIDE and strength(given) != 0.0
    ]
    windows = [tuple(steps_until(bound, MANY_STEPS) for bound in _window(inputs[at])) for at in parties]
    shares = [1 / len(parties)] * len(parties) if parties else []
    table = operator.kernel(MANY_STEPS, windows, shares, **json.loads(settings)) if parties else [-1]
    return tuple(
        Stretch(at, _space(inputs, at))
        for at, _ in groupby(0 if number < 0 else parties[number] for number in table)
    )


def _window(given: Node) -> tuple[float, float]:
    return window(given) or WHOLE_RUN


def _space(inputs: tuple[Node, ...], at: int) -> str:
    given = inputs[at if inputs[at].type.kind in MODELS else 0]
    return given.type.space or ""


def ends_in(operator: Operator, settings: str, inputs: tuple[Node, ...]) -> str:
    """The latent space in which a schedule over several of them ends a run; empty where there is but one."""
    if operator.acts is not Acts.SCHEDULE or len(spaces(inputs)) < 2:
        return ""
    return stretches(operator, settings, inputs)[-1].space
