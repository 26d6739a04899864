"""Operators on weights: a leaf and operands become a leaf with changed tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from mosaic.compiler.operators import Law, Operator
from mosaic.compiler.weights.layers import Selector, parse
from mosaic.runtime.operands import Changes, Operand
from mosaic.runtime.values import Model, Tree, Turn, Window
from mosaic.runtime.weights import Combine, Deltas, overlay


@dataclass(frozen=True)
class Merge:
    """An operator on weights, with its settings, applied to leaves. `note` is told what a tensor lost by being cut to
    `rank` directions (0: not cut)."""

    operator: Operator
    settings: Mapping[str, object]
    rank: int
    changes: Changes
    note: Callable[[str, float], None]

    def fuse(self, leaf: Model, operands: Sequence[Operand]) -> Tree:
        """The leaf with the operands in its weights; for each stretch of the run those whose windows are open."""
        taken = [self._deltas(leaf, each) for each in operands]
        windows = [each.window for each in operands]
        if all(window is None for window in windows):
            return self._leaf(leaf, taken)
        bounds = sorted({0.0, 1.0, *(bound for window in windows if window is not None for bound in window)})
        sets = list(dict.fromkeys(_open(windows, (low + high) / 2) for low, high in pairwise(bounds)))
        children = tuple(self._leaf(leaf, [taken[i] for i in chosen]) for chosen in sets)

        def table(total: int, shares: Sequence[float]) -> Sequence[int]:
            spans = [each.steps(total) for each in operands]
            acting = [
                tuple(i for i, (first, end) in enumerate(spans) if first <= step < end)
                for step in range(total)
            ]
            return [sets.index(chosen) for chosen in acting]

        return Turn(leaf, children, table)

    def _leaf(self, leaf: Model, taken: Sequence[Deltas]) -> Model:
        if not taken:
            return leaf
        combine = Combine(
            self.operator.kernel, self.settings, self.rank, Law.LINEAR in self.operator.laws, self.note
        )
        how = f"{self.operator.name}/{self.operator.version} {sorted(self.settings.items())} {self.rank}"
        return changed(leaf, tuple(taken), combine, how)

    def _deltas(self, leaf: Model, given: Operand) -> Deltas:
        if given.expert is not None and given.expert.kind == "lora":
            deltas = self.changes.lora(leaf, given.expert, given.strength, given.partial)
        else:
            deltas = self.changes.task_vector(leaf, given)
        if not self.operator.selector:
            return deltas
        selector = parse(str(self.settings[self.operator.selector]))
        assert isinstance(selector, Selector), "the rules refuse a malformed selector"
        return replace(
            deltas,
            compute={name: make for name, make in deltas.compute.items() if selector.selects(name)},
        )


def changed(leaf: Model, operands: tuple[Deltas, ...], combine: Combine, how: str) -> Model:
    """A leaf with deltas combined into its tensors. `how` names the operator and its settings in what it is made of."""
    device = leaf.base.device
    tensors = overlay(leaf.tensor, leaf.overlay, operands, combine, device.dtype, device.torch, device.home)
    touched = {name.startswith("text_encoder.") for each in operands for name in each.compute}
    made = [how, *(f"{each.key} * {each.strength!r}" for each in operands)]
    return replace(
        leaf,
        overlay=tensors,
        voice=object() if True in touched else leaf.voice,
        hand=object() if False in touched else leaf.hand,
        content=_digest(leaf.content, *made),
        text_content=_digest(leaf.text_content, *made)
        if True in touched and leaf.text_content
        else leaf.text_content,
    )


def _digest(*made: str) -> str:
    return hashlib.sha256("\n".join(made).encode()).hexdigest()


def _open(windows: Sequence[Window | None], at: float) -> tuple[int, ...]:
    return tuple(i for i, window in enumerate(windows) if window is None or window[0] <= at < window[1])
