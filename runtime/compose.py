"""Operators on predictions and on the schedule: a new root over the models that operands make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from mosaic.compiler.operators import Operator
from mosaic.runtime.bridges import Bridge
from mosaic.runtime.children import Children
from mosaic.runtime.operands import Operand
from mosaic.runtime.values import Mix, Tree, Turn


def mix(
    tree: Tree,
    operator: Operator,
    settings: Mapping[str, object],
    operands: Sequence[Operand],
    children: Children,
) -> Mix:
    """All operands predict at each step, and an operator on predictions turns their weights into shares."""
    strengths = [each.strength if operator.scales else 1.0 for each in operands]
    return Mix(
        rest=tree,
        children=tuple(
            children.of(tree, each, strength, is_beside=True)
            for each, strength in zip(operands, strengths, strict=True)
        ),
        strengths=tuple(each.strength for each in operands),
        windows=tuple(each.window for each in operands),
        regions=tuple(each.region for each in operands),
        shares=partial(operator.kernel, **settings),
        shares_unconditional=operator.shares_unconditional,
    )


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
