"""What is left of a model in a stretch of a denoising run.

A window says in which steps an operand takes part. In a stretch that lies wholly inside or outside of all windows a
model is a simpler one: operands are there or are not. The engine fuses for each stretch exactly what is left here, so a
run that is handed from stretch to stretch is the run of the whole model, bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from mosaic.compiler.ir.evaluate import WHOLE_RUN, strength, window
from mosaic.compiler.ir.fusions import choosing
from mosaic.compiler.ir.graph import Node, rebuild, walk
from mosaic.compiler.ir.models import BESIDE, Operators, operator_of
from mosaic.compiler.ir.ops import make, with_inputs
from mosaic.compiler.operators import Acts, Operator
from mosaic.compiler.steps import steps_until


@dataclass(frozen=True)
class Span:
    """Steps `first` to `end` (exclusive)."""

    first: int
    end: int

    def covers(self, other: Span) -> bool:
        """Whether all steps of another span are its own."""
        return self.first <= other.first and other.end <= self.end

    def meets(self, other: Span) -> bool:
        """Whether they have a step in common."""
        return max(self.first, other.first) < min(self.end, other.end)


def is_open(model: Node, operators: Operators) -> bool:
    """Whether only the engine knows how a run by a model goes: through several latent spaces, or in turns that go by
    what the prompt means to the model as a whole."""
    fusions = (node for node in walk((model,)) if node.op == "fuse")
    return any(
        bool(fusion.attribute("ends_in")) or _is_weighed(fusion, operator_of(fusion, operators))
        for fusion in fusions
    )


def _is_weighed(fusion: Node, operator: Operator) -> bool:
    return bool(operator.weighs) and bool(_settings(fusion).get(operator.weighs))


def _settings(fusion: Node) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(str(fusion.attribute("settings")))
    return found


def borders(model: Node, total: int, operators: Operators) -> list[int]:
    """The steps, of a run of `total`, at which what a model is made of changes; in order."""
    found: set[int] = set()
    for node in walk((model,)):
        if node.op == "fuse":
            found.update(_borders(node, total, operators))
    return sorted(found)


def _borders(fusion: Node, total: int, operators: Operators) -> list[int]:
    operator = operator_of(fusion, operators)
    if operator.acts is Acts.SCHEDULE:
        table = _turns(fusion, range(1, len(fusion.inputs)), total, operator)
        if table is None:
            return []
        stretches = [len(list(steps)) for _, steps in groupby(table)]
        # Who takes turns over and over is left to the engine.
        if len(stretches) <= len(fusion.inputs):
            return [sum(stretches[:at]) for at in range(1, len(stretches))]
    spans = (_span(given, total) for given in fusion.inputs[1:] if window(given) is not None)
    return [step for span in spans for step in (span.first, span.end)]


def _span(given: Node, total: int) -> Span:
    start, end = window(given) or WHOLE_RUN
    return Span(steps_until(start, total), steps_until(end, total))


def narrowed(model: Node, stretch: Span, total: int, operators: Operators) -> Node | None:
    """The model as it is in a stretch of a run of `total` steps.

    Operands that do not take part are gone, windows that are open all the time are none. None where two fusions would
    become one while both predict: their predictions are added one after the other, and a sum of shares rounds
    otherwise.
    """
    left: dict[str, set[str]] = {}

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        given = with_inputs(node, inputs)
        if given.op != "fuse":
            return given
        found = _narrowed(given, stretch, total, operators)
        if found is not given.inputs[0]:
            left.setdefault(found.digest, set()).add(node.digest)
        return found

    (result,) = rebuild((model,), rewrite)
    if any(len(before) > 1 for before in left.values()) and _predicts(model, operators):
        return None
    return result


def _predicts(model: Node, operators: Operators) -> bool:
    fusions = (node for node in walk((model,)) if node.op == "fuse")
    return any(operator_of(fusion, operators).acts is Acts.PREDICTIONS for fusion in fusions)


def _narrowed(fusion: Node, stretch: Span, total: int, operators: Operators) -> Node:
    operator = operator_of(fusion, operators)
    places = range(1, len(fusion.inputs))
    if operator.acts is not Acts.SCHEDULE:
        kept = [at for at in places if _takes_part(fusion.inputs[at], stretch, total)]
        return _of(fusion, kept, stretch, total, operator)
    return _turn(fusion, stretch, total, operator)


def _takes_part(given: Node, stretch: Span, total: int) -> bool:
    return given.type.kind in BESIDE or _span(given, total).meets(stretch)


def _turn(fusion: Node, stretch: Span, total: int, operator: Operator) -> Node:
    """A schedule of those who have a turn, or of those who could, as long as it gives every turn to the same ones."""
    places = range(1, len(fusion.inputs))
    table = _turns(fusion, places, total, operator)
    if table is None:
        return fusion
    on_turn = table[stretch.first : stretch.end]
    beside = {at for at in places if fusion.inputs[at].type.kind in BESIDE}
    could = {at for at in places if _takes_part(fusion.inputs[at], stretch, total)}
    for kept in (sorted({*on_turn, *beside} - {0}), sorted(could)):
        found = _of(fusion, kept, stretch, total, operator)
        if found is fusion or set(on_turn) == {0}:
            return found
        if found is fusion.inputs[0]:
            continue
        again = _turns(found, range(1, len(found.inputs)), total, operator)
        numbers = [0, *kept]
        if again is not None and [numbers[at] for at in again[stretch.first : stretch.end]] == on_turn:
            return found
    return fusion


def _turns(fusion: Node, places: Sequence[int], total: int, operator: Operator) -> list[int] | None:
    """Which input of a schedule's fusion denoises at each step, 0 for the base.

    None where a strength is not known, or is nothing.
    """
    parties = [at for at in places if fusion.inputs[at].type.kind not in BESIDE]
    if any(strength(fusion.inputs[at]) in (None, 0.0) for at in parties):
        return None
    if not parties:
        return [0] * total
    spans = [_span(fusion.inputs[at], total) for at in parties]
    windows = [(span.first, span.end) for span in spans]
    table = operator.kernel(total, windows, [1.0] * len(parties), **_settings(fusion))
    return [0 if number < 0 else parties[number] for number in table]


def _of(fusion: Node, kept: Sequence[int], stretch: Span, total: int, operator: Operator) -> Node:
    """A fusion of some of its operands, without the windows that are open in all of a stretch."""
    if not kept:
        return fusion.inputs[0]
    chosen = fusion if len(kept) + 1 == len(fusion.inputs) else choosing(fusion, [0, *kept], operator)
    inputs = tuple(_unwindowed(given, stretch, total) for given in chosen.inputs)
    return fusion if inputs == fusion.inputs else make("fuse", inputs, dict(chosen.attributes), like=chosen)


def _unwindowed(given: Node, stretch: Span, total: int) -> Node:
    if window(given) is None or not _span(given, total).covers(stretch):
        return given
    return _without_windows(given)


def _without_windows(given: Node) -> Node:
    if given.op == "window":
        return _without_windows(given.inputs[0])
    if given.op not in ("strength", "region", "partial"):
        return given
    return with_inputs(given, (_without_windows(given.inputs[0]), *given.inputs[1:]))
