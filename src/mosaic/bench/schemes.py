"""What is compared: the ways of composing experts, each of which is a plan or a scheme as published."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mosaic.stdlib.zoo.sets import CompositionSet

STEPS: Final = 20
GUIDANCE: Final = 3.0
SCHEDULER: Final = "ddim"


@dataclass(frozen=True)
class Operand:
    """How experts of a category take part: at which strength, in which part of the run (as a plan writes it)."""

    strength: float = 1.0
    window: str = ""


@dataclass(frozen=True)
class Scheme:
    """One row of the table. `via` is an operator as a plan writes it (empty: it is drawn as published, see
    `published`); `operands` say how the experts of each category take part, `order` in which order they are written.
    """

    name: str
    about: str
    via: str = ""
    operands: Mapping[str, Operand] | None = None
    order: Sequence[str] = ("character", "clothes", "object", "background", "style")
    published: str = ""
    period: int = 1

    @property
    def is_ours(self) -> bool:
        """Whether it is an operator of the language."""
        return not self.published

    def operand(self, category: str) -> Operand:
        """How the experts of a category take part."""
        return (self.operands or {}).get(category, Operand())

    def at(self, strengths: Mapping[str, float]) -> Scheme:
        """The same with other strengths for some categories, `all` for those not named; its name tells them.

        >>> SCHEMES["sum"].at({"object": 1.4, "clothes": 1.4}).name
        'sum (clothes 1.4, object 1.4)'
        """
        given = {c: replace(self.operand(c), strength=strengths.get("all", 1.0)) for c in self.order}
        given |= {c: replace(self.operand(c), strength=w) for c, w in strengths.items() if c != "all"}
        named = ", ".join(f"{c} {w:g}" for c, w in sorted(strengths.items()))
        return replace(self, name=f"{self.name} ({named})", operands=given)

    def plan(self, wanted: CompositionSet) -> str:
        """The plan that composes a set by this scheme."""
        pairs = sorted(
            zip(wanted.experts, wanted.categories, strict=True), key=lambda pair: self.order.index(pair[1])
        )
        lines = [f'  let e{i} = lora("{expert}")' for i, (expert, _) in enumerate(pairs)]
        taken = [self._written(f"e{i}", category) for i, (_, category) in enumerate(pairs)]
        fused = f"fuse(base, {', '.join(taken)}, via: {self.via})"
        settings = f"steps: {STEPS}, guidance: {GUIDANCE:g}, size: 64x64, seed: 0"
        settings += f', scheduler: "{SCHEDULER}"'
        return "\n".join(
            [
                "mosaic 1",
                "plan composed {",
                '  let base = checkpoint("zoo/base")',
                *lines,
                f'  emit sample({fused}, prompt: "{wanted.caption}", {settings}) as "picture.png"',
                "}",
                "",
            ]
        )

    def _written(self, name: str, category: str) -> str:
        given = self.operand(category)
        return f"{name} * {given.strength:g}" + (f" during {given.window}" if given.window else "")


_ALL = (
    Scheme("merge", "all LoRAs added into the weights (LoRA Merge)", published="merge"),
    Scheme("switch (published)", "one LoRA at a time, taking turns (LoRA Switch)", published="switch"),
    Scheme(
        "composite (published)", "each LoRA guided alone, averaged (LoRA Composite)", published="composite"
    ),
    Scheme("w-switch", "turns as long as trigger words weigh; the character ends it", published="w-switch"),
    Scheme("w-composite", "the average weighed by trigger words", published="w-composite"),
    Scheme("sum", "exact weighted sum", "sum"),
    Scheme("ties", "trimmed, signs elected, disjoint mean", "ties"),
    Scheme("dare", "half of the entries dropped at random", "dare"),
    Scheme("della", "dropped by magnitude, signs elected", "della"),
    Scheme("magnitude", "the larger half of the entries", "magnitude"),
    Scheme("balance", "deltas made nearly equally long", "balance"),
    Scheme("slerp", "spherical mean of the deltas", "slerp"),
    Scheme("attention", "cross-attention alone", "attention"),
    Scheme("switch", "turns of one step", "switch"),
    Scheme("switch, aware", "turns by the weight of trigger words", "switch(aware: true)"),
    Scheme("chain", "contiguous stretches, characters first, styles last", "chain"),
    Scheme("composite", "each expert predicts alone, one unconditional row", "composite"),
    Scheme("guidance", "each expert's guided prediction, blended", "guidance"),
)

SCHEMES: Final[Mapping[str, Scheme]] = {scheme.name: scheme for scheme in _ALL}


def find(name: str) -> Scheme:
    """A scheme by its name, or one at other strengths as `Scheme.at` names it. Raises KeyError where there is none.

    >>> find("merge (all 0.8)").operand("style")
    Operand(strength=0.8, window='')
    """
    if name in SCHEMES:
        return SCHEMES[name]
    told = re.fullmatch(r"(.+) \(((?:\w+ [\d.]+(?:, )?)+)\)", name)
    if told is None:
        raise KeyError(name)
    pairs = (pair.split(" ") for pair in told[2].split(", "))
    return SCHEMES[told[1]].at({category: float(strength) for category, strength in pairs})
