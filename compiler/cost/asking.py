"""What denoisers are asked in a run: at each step which leaves, for how many rows, in how many calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mosaic.compiler.cost.architecture import Architecture
from mosaic.compiler.cost.covering import is_whole, least
from mosaic.compiler.cost.manner import ROWS_AT_ONCE
from mosaic.compiler.cost.tree import Adapter, Leaf, Mix, Tree, Turn, parts
from mosaic.compiler.ir.evaluate import region, strength, window
from mosaic.compiler.ir.graph import Node
from mosaic.compiler.steps import steps_until


@dataclass(frozen=True)
class Call:
    """One call of a denoiser. `beside` has for each LoRA that runs beside its layers how many rows it changes."""

    architecture: Architecture | None
    rows: int
    beside: tuple[tuple[Adapter, int], ...] = ()


@dataclass(frozen=True)
class Asked:
    """The calls of a whole run, equal ones together."""

    calls: Mapping[Call, int] = field(default_factory=dict)
    steps: int = 0

    @property
    def evaluations(self) -> int:
        """Calls of denoisers."""
        return sum(self.calls.values())

    @property
    def rows(self) -> int:
        """Latents in all calls together."""
        return sum(call.rows * times for call, times in self.calls.items())


@dataclass(frozen=True)
class _Term:
    leaf: Leaf
    without: Leaf


def asked(
    tree: Tree,
    positive: Node,
    guidance: float,
    steps: range,
    total: int,
    size: tuple[int, int],
    rows_at_once: int = ROWS_AT_ONCE,
) -> Asked:
    """What the steps of a run of `total` ask of latents of a size (height, width), so many rows in a call.

    `positive` is a conditioning: a text, or several by place and time.
    """
    run = _Run(tree, positive, guidance, total, size, rows_at_once)
    counted: Counter[Call] = Counter()
    known: dict[tuple[object, ...], list[Call]] = {}
    for step in steps:
        terms, prompts = run.terms(step), run.prompts(step)
        key = (terms, prompts)
        if key not in known:
            known[key] = run.calls(terms, prompts)
        counted.update(known[key])
    return Asked(dict(counted), len(steps))


@dataclass
class _Run:
    tree: Tree
    positive: Node
    guidance: float
    total: int
    size: tuple[int, int]
    rows_at_once: int
    tables: dict[int, Sequence[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nodes = parts(self.tree)

    def terms(self, step: int) -> tuple[_Term, ...]:
        """The leaves that take part in a step, each once."""
        found: dict[int, tuple[_Term, ...]] = {}
        for node in self.nodes:
            match node:
                case Leaf():
                    found[id(node)] = (_Term(node, node),)
                case Turn():
                    table = self.tables.setdefault(id(node), node.table(self.total))
                    on_turn = node.rest if table[step] < 0 else node.children[table[step]]
                    found[id(node)] = found[id(on_turn)]
                case Mix():
                    found[id(node)] = tuple(dict.fromkeys(self._mixed(node, step, found)))
        return found[id(self.tree)]

    def _mixed(self, mix: Mix, step: int, below: Mapping[int, tuple[_Term, ...]]) -> list[_Term]:
        present = [
            i for i, opened in enumerate(mix.windows) if mix.strengths[i] and self.is_open(opened, step)
        ]
        found = [below[id(mix.children[i])] for i in present]
        if self._asks_rest(mix, present):
            found.insert(0, below[id(mix.rest)])
        terms = [term for part in found for term in part]
        if not mix.shares_unconditional or any(len(part) != 1 for part in found) or len(terms) == 1:
            return terms
        rest = below[id(mix.rest)]
        return [_Term(term.leaf, _mean(rest[0].leaf, terms)) for term in terms] if len(rest) == 1 else terms

    def _asks_rest(self, mix: Mix, present: Sequence[int]) -> bool:
        weights = [abs(mix.strengths[i]) for i in present]
        covered = least([mix.regions[i] for i in present], weights, *self.size)
        return not is_whole(covered) if mix.needs_all else covered <= 0

    def is_open(self, window: tuple[float, float] | None, step: int) -> bool:
        return window is None or (
            steps_until(window[0], self.total) <= step < steps_until(window[1], self.total)
        )

    def prompts(self, step: int) -> int:
        """How many prompts count at a step."""
        if self.positive.op == "encode_text":
            return 1
        given = [
            part for part in self.positive.inputs if strength(part) != 0 and self.is_open(window(part), step)
        ]
        placed = [part for part in given if region(part) is not None]
        free = len(given) - len(placed)
        weights = [strength(part) or 0.0 for part in placed]
        # What has no region takes what the others leave, which may be nothing.
        if free and placed and is_whole(least([region(part) for part in placed], weights, *self.size)):
            free = 0
        return len(placed) + free or 1

    def calls(self, terms: Sequence[_Term], prompts: int) -> list[Call]:
        """Rows of leaves of one hand go together, so many at once; what predicts without a prompt first."""
        rows: dict[tuple[str, str], list[Leaf]] = {}
        if self.guidance != 1:
            for leaf in dict.fromkeys(term.without for term in terms):
                rows.setdefault((leaf.base, leaf.hand), []).append(leaf)
        for term in terms:
            rows.setdefault((term.leaf.base, term.leaf.hand), []).extend([term.leaf] * prompts)
        found: list[Call] = []
        for group in rows.values():
            for start in range(0, len(group), self.rows_at_once):
                part = group[start : start + self.rows_at_once]
                beside = Counter(adapter for leaf in part for adapter in leaf.beside)
                found.append(Call(part[0].architecture, len(part), tuple(beside.items())))
        return found


def _mean(rest: Leaf, terms: Sequence[_Term]) -> Leaf:
    """The leaf whose changes are the mean of others'."""
    beside = tuple(dict.fromkeys(adapter for term in terms for adapter in term.leaf.beside))
    hands = dict.fromkeys(term.leaf.hand for term in terms if term.leaf.hand != rest.hand)
    hand = f"mean({', '.join(hands)})" if hands else rest.hand
    return replace(rest, hand=hand, beside=beside)
