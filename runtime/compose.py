"""Operators on predictions and on the schedule: a new root over the models that operands make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from mosaic.compiler.operators import Law, Operator
from mosaic.runtime.bridges import Bridge
from mosaic.runtime.children import Children
from mosaic.runtime.operands import Operand
from mosaic.runtime.values import Mix, Tree, Turn, spelled


def mix(
    tree: Tree,
    operator: Operator,
    settings: Mapping[str, object],
    operands: Sequence[Operand],
    children: Children,
) -> Mix:
    """All operands predict at each step, and an operator on predictions turns their weights into shares.

    Where the operator is symmetric its operands come into one order, by content: rows of a batch and sums of
    predictions round by their order.
    """
    made = [
        (children.of(tree, each, each.strength if operator.scales else 1.0, is_beside=True), each)
        for each in operands
    ]
    if Law.SYMMETRIC in operator.laws:
        made.sort(key=_place)
    return Mix(
        rest=tree,
        children=tuple(child for child, _ in made),
        strengths=tuple(each.strength for _, each in made),
        windows=tuple(each.window for _, each in made),
        regions=tuple(each.region for _, each in made),
        shares=partial(operator.kernel, **settings),
        shares_unconditional=operator.shares_unconditional,
    )


def _place(made: tuple[Tree, Operand]) -> tuple[str, str]:
    child, given = made
    return spelled(child), repr((given.strength, given.region, given.window))


def turn(
    tree: Tree,
    operator: Operator,
    settings: Mapping[str, object],
    operands: Sequence[Operand],
    children: Children,
    bridges: Mapping[tuple[str, str], Bridge],
) -> Turn:
    """One operand denoises at each step, which an operator on the schedule names."""

    def table(total: int, shares: Sequence[float]) -> Sequence[int]:
        chosen: Sequence[int] = operator.kernel(
            total, [each.steps(total) for each in operands], shares, **settings
        )
        return chosen

    weighs = bool(operator.weighs) and bool(settings.get(operator.weighs))
    return Turn(
        rest=tree,
        children=tuple(children.of(tree, each, each.strength, is_beside=False) for each in operands),
        table=table,
        words=tuple(each.words for each in operands) if weighs else (),
        bridges=bridges,
    )
