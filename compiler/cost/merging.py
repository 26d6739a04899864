"""What it takes to change weights: the numbers that operands touch, the seconds of merging, the bytes that stay."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log2

from mosaic.compiler.context import Context
from mosaic.compiler.cost.architecture import Work
from mosaic.compiler.cost.manner import Manner
from mosaic.compiler.cost.profile import COMPARED, CUT, Profile
from mosaic.compiler.cost.tree import Leaf
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.ir.graph import Node
from mosaic.compiler.operators import Effort
from mosaic.compiler.types import Kind
from mosaic.compiler.weights.layers import Selector, parse

_TEXT = "text_encoder."

Sizes = Mapping[str, int]
"""Tensors by canonical name, to how many numbers they have."""


@dataclass
class Spent:
    """What a node takes: seconds of work, and seconds of reading and building what is not in memory."""

    seconds: float = 0.0
    load: float = 0.0


@dataclass(frozen=True)
class Given:
    """One operand of a fusion as one leaf meets it: what it touches there, the rank of its factors (0: none), and the
    bytes that are kept of its files."""

    name: str
    touched: Sizes
    rank: int = 0
    held: float = 0.0


@dataclass
class Merging:
    """Prices of one graph's merges on one device. A file is read once."""

    context: Context
    profile: Profile
    manner: Manner = field(default_factory=Manner)
    _read: dict[str, None] = field(default_factory=dict)

    @property
    def is_away(self) -> bool:
        """Whether weights lie elsewhere than on the device while they do not compute."""
        return self.manner.offload and self.profile.device != "cpu"

    def read(self, expert: ExpertFacts) -> float:
        """Seconds to read and verify an expert's files; what was read before costs nothing."""
        fresh = [file for file in expert.files if file.sha256 not in self._read]
        self._read |= dict.fromkeys(file.sha256 for file in fresh)
        return sum(file.size for file in fresh) / self.profile.disk

    def expert(self, leaf: Leaf, given: Node, spent: Spent, selector: str = "") -> Given:
        """A LoRA or checkpoint as an operand. `given` is its `expert` node."""
        facts = given.expert
        spent.load += self.read(facts)
        if leaf.architecture is None:
            return Given(given.digest, {})
        sizes = leaf.architecture.sizes
        if facts.kind is Kind.CHECKPOINT:
            # Every tensor is compared with the base's before any is added.
            spent.seconds += self._moved(2.0 * sum(sizes.values()))
        touched = {name: sizes[name] for name in self._touches(leaf, facts) if name in sizes} or sizes
        rank = facts.adapter.ranks[1] if facts.adapter is not None and facts.adapter.ranks else 0
        # Tensors stay as they were read, in the machine's memory, which on a CPU is the device's.
        is_held = self.profile.device == "cpu"
        held = float(sum(file.size for file in facts.files)) if is_held else 0.0
        return Given(given.digest, _selected(touched, selector), rank, held)

    def _touches(self, leaf: Leaf, expert: ExpertFacts) -> Sequence[str]:
        """The tensors that an expert changes; nothing where its headers are not at hand."""
        try:
            return self.context.experts.touches(leaf.expert, expert) if leaf.expert is not None else ()
        except MosaicError:
            return ()

    def model(self, leaf: Leaf, other: Leaf, name: str, spent: Spent, selector: str = "") -> Given:
        """A fused model as an operand: what differs of the two."""
        sizes = leaf.architecture.sizes if leaf.architecture is not None else {}
        spent.seconds += self._moved(2.0 * sum(sizes.values()))
        touched = other.changed if leaf.base == other.base else sizes
        return Given(name, _selected(touched, selector))

    def merged(
        self, leaf: Leaf, operands: Sequence[Given], effort: Effort, spent: Spent, how: str, *, rank: int = 0
    ) -> Leaf:
        """A leaf with operands combined into its tensors. `how` names the operator and its settings."""
        if not operands:
            return leaf
        changed = {name: size for each in operands for name, size in each.touched.items()}
        handed = sum(size for each in operands for size in each.touched.values())
        numbers = sum(changed.values())
        # Bringing the base to float32 and rounding the sum cost what adding one more operand would.
        spent.seconds += handed * self._effort(effort) + numbers * self._effort(Effort.ADDS)
        spent.seconds += self._ordered(operands)
        if rank:
            spent.seconds += numbers * self._effort(CUT)
        touched = len(changed) + sum(len(each.touched) for each in operands)
        spent.seconds += touched * self.profile.touch
        products = sum(2.0 * each.rank * sum(each.touched.values()) for each in operands)
        spent.seconds += self.profile.seconds(Work(matmul=products), is_single=True)
        # Each leaf is changed for itself, even where the same is done to several that share their weights.
        beside = [adapter.key for adapter in leaf.beside]
        made = f"{beside} {how} {[each.name for each in operands]}"
        parts = {name.startswith(_TEXT) for name in changed}
        kept = {f"read {each.name}": each.held for each in operands if each.held}
        held = 0.0 if self.is_away else float(numbers * self.profile.number)
        return replace(
            leaf,
            hand=named(leaf.hand, made) if False in parts else leaf.hand,
            voice=named(leaf.voice, made) if True in parts else leaf.voice,
            changed={**leaf.changed, **changed},
            holds={**leaf.holds, **kept, named(leaf.hand, leaf.voice, made): held},
        )

    def _ordered(self, operands: Sequence[Given]) -> float:
        """Seconds of putting the operands of each element in order, as a sorting network does it."""
        count = Counter(name for each in operands for name in each.touched)
        sizes = {name: size for each in operands for name, size in each.touched.items()}
        compared = sum(size * _comparisons(count[name]) for name, size in sizes.items())
        return compared * self.profile.merge.get(COMPARED, 0.0)

    def _effort(self, effort: str) -> float:
        return self.profile.merge.get(effort, max(self.profile.merge.values(), default=0.0))

    def _moved(self, numbers: float) -> float:
        return self.profile.seconds(Work(moved=numbers), is_single=True)


def _comparisons(count: int) -> float:
    """Pairs that an odd-even merge sort of so many compares; two need no order (Batcher 1968: n · log² n / 4 about)."""
    rounds = log2(max(count, 1))
    return count * rounds * (rounds + 1) / 4 if count > 2 else 0.0


def named(*made_of: str) -> str:
    """A short name for what is made of things with names."""
    return hashlib.sha256("\n".join(made_of).encode()).hexdigest()


def _selected(touched: Sizes, selector: str) -> Sizes:
    chosen = parse(selector) if selector else None
    if not isinstance(chosen, Selector):
        return touched
    return {name: size for name, size in touched.items() if chosen.selects(name)}
