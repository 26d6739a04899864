"""In which latent spaces a run goes on, where the models of a schedule work in several."""

from __future__ import annotations

from dataclasses import dataclass

from mosaic.compiler.ir.evaluate import window
from mosaic.compiler.ir.graph import Node
from mosaic.compiler.ir.models import BESIDE, MODELS
from mosaic.compiler.operators import Acts, Operator


@dataclass(frozen=True)
class Stretch:
    """A part of a run from `start` on. `position` is the input of the fusion that denoises, 0 the base."""

    start: float
    position: int
    space: str


def spaces(inputs: tuple[Node, ...]) -> tuple[str, ...]:
    """The latent spaces of a fusion's base and operands, as far as they are known, each once, the base's first."""
    known = (given.type.space for given in inputs if given is inputs[0] or given.type.kind in MODELS)
    return tuple(dict.fromkeys(space for space in known if space))


def stretches(inputs: tuple[Node, ...]) -> tuple[Stretch, ...]:
    """Who denoises in which order: those with a window in it, the others in equal parts of what is left.

    What is left belongs to the base where every operand has a window. Operators that take turns go to and fro besides;
    they too begin and end so, as far as windows decide it.
    """
    base = inputs[0].type.space or ""
    parties = [(at, given) for at, given in enumerate(inputs) if at and given.type.kind not in BESIDE]
    windows = {at: window(given) for at, given in parties}
    space = {at: (given.type.space or "") if given.type.kind in MODELS else base for at, given in parties}
    space[0] = base
    owned = sorted(each for each in windows.values() if each is not None)
    found = [Stretch(each[0], at, space[at]) for at, each in windows.items() if each is not None]
    sharing = [at for at, each in windows.items() if each is None]
    left = _left(owned)
    total = sum(end - start for start, end in left)
    if not sharing:
        found += [Stretch(start, 0, base) for start, _ in left]
    for number, at in enumerate(sharing if total else ()):
        found.append(Stretch(_reached(left, total * number / len(sharing)), at, space[at]))
    return tuple(sorted(found, key=lambda each: (each.start, each.position)))


def ends_in(operator: Operator, inputs: tuple[Node, ...]) -> str:
    """The latent space in which a schedule over several of them ends a run; empty where there is but one."""
    if operator.acts is not Acts.SCHEDULE or len(spaces(inputs)) < 2:
        return ""
    return stretches(inputs)[-1].space


def _left(owned: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The parts of a run that no window holds."""
    left, reached = [], 0.0
    for start, end in [*owned, (1.0, 1.0)]:
        if start > reached:
            left.append((reached, start))
        reached = max(reached, end)
    return left


def _reached(left: list[tuple[float, float]], amount: float) -> float:
    """Where so much of what is left has gone by."""
    for start, end in left:
        if amount < end - start:
            return start + amount
        amount -= end - start
    return left[-1][1]
