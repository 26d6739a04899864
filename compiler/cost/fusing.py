"""From the fusions of a graph to trees of models, with what making them takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

from mosaic.compiler.cost.architecture import Architecture
from mosaic.compiler.cost.merging import Given, Merging, Spent, named
from mosaic.compiler.cost.profile import SPELLED
from mosaic.compiler.cost.tree import Adapter, Leaf, Mix, Tree, Turn, first_leaf, map_leaves, parts
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.ir.evaluate import WHOLE_RUN, operand, region, strength, window
from mosaic.compiler.ir.graph import Node
from mosaic.compiler.ir.models import blended, operator_of
from mosaic.compiler.ir.origins import base_expert
from mosaic.compiler.operators import Acts, Effort, Operator
from mosaic.compiler.steps import steps_until
from mosaic.compiler.types import Kind

_MOST_PARTS = 1000
"""Models that are made of more parts are not priced."""
_TEXT = "text_encoder."
_WORDS = "text_encoder.embeddings.token_embedding.weight"

Settings = Mapping[str, object]
Window = tuple[float, float]


@dataclass
class Fusing:
    """Makes the tree of each model node, inputs before users. `unknown` collects the names of checkpoints of which
    something cannot be priced, with the reason."""

    merging: Merging
    trees: dict[int, Tree] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    _architectures: dict[str, Architecture | None] = field(default_factory=dict)
    _built: dict[str, None] = field(default_factory=dict)

    def load(self, node: Node) -> Spent:
        """A `load_model` node."""
        spent = Spent()
        self.trees[id(node)] = self._base(node.inputs[0], spent)
        return spent

    def fuse(self, node: Node) -> Spent:
        """A `fuse` node."""
        operator = operator_of(node, self.merging.context.operators)
        settings = json.loads(str(node.attribute("settings")))
        spent = Spent()
        tree = self._with_parts(self.trees[id(node.inputs[0])], node, spent)
        given = [each for each in blended(node) if strength(each) != 0]
        if given:
            tree = _ROOTS[operator.acts](self, tree, operator, settings, given, spent)
        if len(parts(tree)) > _MOST_PARTS:
            # Fusions of fusions double; no engine could hold what such a plan asks for.
            name = base_expert(node).id
            self.unknown[name] = f"a model of `{name}` is made of more than {_MOST_PARTS} parts"
            tree = first_leaf(tree)
        self.trees[id(node)] = tree
        return spent

    def architecture(self, expert: ExpertFacts) -> Architecture | None:
        """The networks of a checkpoint; that one is not known is remembered."""
        if expert.id not in self._architectures:
            found = self.merging.context.experts.architecture(expert)
            self._architectures[expert.id] = found
            if found is None:
                self.unknown[expert.id] = f"the architecture of `{expert.id}` is not known"
        return self._architectures[expert.id]

    def _base(self, node: Node, spent: Spent) -> Leaf:
        expert, profile = node.expert, self.merging.profile
        known = self.architecture(expert)
        size = float(sum(file.size for file in expert.files))
        spent.load += self.merging.read(expert)
        held = size
        if known is not None:
            held = profile.number * (known.denoiser.parameters + known.text_encoder.parameters)
            held += 4 * (known.decoder.parameters + known.encoder.parameters)
            if node.digest not in self._built:
                built = sum(network.tensors for network in known.networks)
                spent.load += built * profile.module
                spent.load += 0.0 if self.merging.is_away else held / profile.transfer
            # On a CPU the tensors as the files have them lie beside those that run, unless they are the same.
            is_copied = profile.device == "cpu" and SPELLED.get(expert.dtype) != profile.dtype
            held += size if is_copied else 0.0
            held = 0.0 if self.merging.is_away else held
        self._built[node.digest] = None
        at = node.digest
        return Leaf(at, at, at, expert=expert, architecture=known, holds={f"base {at}": held})

    def _with_parts(self, tree: Tree, node: Node, spent: Spent) -> Tree:
        """Words and codecs, which every operator carries along."""
        for given in node.inputs[1:]:
            below = operand(given)
            if below.type.kind is Kind.EMBEDDING:
                spent.load += self.merging.read(below.expert)
                tree = map_leaves(tree, partial(self._with_words, given=below))
            elif below.type.kind is Kind.VAE:
                spent.load += self.merging.read(below.expert)
        return tree

    def _with_words(self, leaf: Leaf, given: Node) -> Leaf:
        sizes = leaf.architecture.sizes if leaf.architecture is not None else {}
        voice = named(leaf.voice, given.digest)
        held = 0.0 if self.merging.is_away else float(sizes.get(_WORDS, 0) * self.merging.profile.number)
        return replace(leaf, voice=voice, holds={**leaf.holds, voice: held})

    def _weights(
        self,
        tree: Tree,
        operator: Operator,
        settings: Settings,
        given: Sequence[Node],
        spent: Spent,
    ) -> Tree:
        return map_leaves(
            tree, partial(self._merged, operator=operator, settings=settings, given=given, spent=spent)
        )

    def _merged(
        self, leaf: Leaf, operator: Operator, settings: Settings, given: Sequence[Node], spent: Spent
    ) -> Tree:
        """The leaf with operands in its weights, for each stretch of the run those whose windows are open."""
        selector = str(settings[operator.selector]) if operator.selector else ""
        taken = [self._given(leaf, each, spent, selector) for each in given]
        windows = [window(each) for each in given]
        scales = [strength(each) for each in given]

        def changed(chosen: Sequence[int]) -> Leaf:
            how = f"{operator.name} {sorted(settings.items())} {[scales[i] for i in chosen]}"
            rank = int(str(settings.get("rank") or 0))
            return self.merging.merged(
                leaf, [taken[i] for i in chosen], operator.effort, spent, how, rank=rank
            )

        if all(opened is None for opened in windows):
            return changed(range(len(given)))
        bounds = sorted({0.0, 1.0, *(bound for opened in windows if opened for bound in opened)})
        sets = list(dict.fromkeys(_open(windows, (low + high) / 2) for low, high in pairwise(bounds)))

        def table(total: int) -> Sequence[int]:
            spans = [_steps(opened, total) for opened in windows]
            return [
                sets.index(tuple(i for i, (first, end) in enumerate(spans) if first <= step < end))
                for step in range(total)
            ]

        return Turn(leaf, tuple(changed(chosen) for chosen in sets), table)

    def _given(self, leaf: Leaf, given: Node, spent: Spent, selector: str = "") -> Given:
        below = operand(given)
        if below.op == "expert":
            return self.merging.expert(leaf, below, spent, selector)
        other = first_leaf(self.trees[id(below)])
        return self.merging.model(leaf, other, below.digest, spent, selector)

    def _mix(
        self, tree: Tree, operator: Operator, settings: Settings, given: Sequence[Node], spent: Spent
    ) -> Tree:
        strengths = tuple(strength(each) or 0.0 for each in given)
        return Mix(
            rest=tree,
            children=tuple(
                self._child(tree, each, scale if operator.scales else 1.0, spent, is_beside=True)
                for each, scale in zip(given, strengths, strict=True)
            ),
            strengths=strengths,
            windows=tuple(window(each) for each in given),
            regions=tuple(region(each) for each in given),
            needs_all=operator.evaluations == "models",
            shares_unconditional=operator.shares_unconditional,
        )

    def _turn(
        self, tree: Tree, operator: Operator, settings: Settings, given: Sequence[Node], spent: Spent
    ) -> Tree:
        windows = [window(each) for each in given]
        shares = [1 / len(given)] * len(given)

        def table(total: int) -> Sequence[int]:
            spans = [_steps(opened, total) for opened in windows]
            chosen: Sequence[int] = operator.kernel(total, spans, shares, **settings)
            return chosen

        children = tuple(
            self._child(tree, each, strength(each) or 0.0, spent, is_beside=False) for each in given
        )
        return Turn(tree, children, table)

    def _child(self, tree: Tree, given: Node, scale: float, spent: Spent, *, is_beside: bool) -> Tree:
        """The model that an operand makes of what it is fused into."""
        below = operand(given)
        if below.type.kind is Kind.LORA:
            beside = is_beside and _is_product(below.expert)
            change = self._with_lora_beside if beside else self._with_lora
            return map_leaves(tree, partial(change, given=below, scale=scale, spent=spent))
        if scale != 1:
            # A part of the way from what it is fused into to the other model.
            if below.op == "expert":
                self._base(below, spent)
            return map_leaves(tree, partial(self._with_lora, given=below, scale=scale, spent=spent))
        if below.op == "expert":
            return self._base(below, spent)
        return self.trees[id(below)]

    def _with_lora(self, leaf: Leaf, given: Node, scale: float, spent: Spent) -> Leaf:
        taken = self._given(leaf, given, spent)
        return self.merging.merged(leaf, [taken], Effort.ADDS, spent, f"{scale} of")

    def _with_lora_beside(self, leaf: Leaf, given: Node, scale: float, spent: Spent) -> Leaf:
        taken = self._given(leaf, given, spent)
        text = {name: size for name, size in taken.touched.items() if name.startswith(_TEXT)}
        expert, known = given.expert, leaf.architecture
        numbers = expert.parameters or sum(file.size for file in expert.files) / 2
        share = (
            numbers / known.denoiser.parameters if known is not None and known.denoiser.parameters else 0.0
        )
        adapter = Adapter(given.digest, share, len(taken.touched) - len(text))
        held = {f"beside {given.digest}": float(numbers * self.merging.profile.number)}
        leaf = replace(leaf, beside=(*leaf.beside, adapter), holds={**leaf.holds, **held})
        # The text encoder's part is added to its weights.
        rest = [replace(taken, touched=text)] if text else []
        return self.merging.merged(leaf, rest, Effort.ADDS, spent, f"{scale} of")


_ROOTS = {Acts.WEIGHTS: Fusing._weights, Acts.PREDICTIONS: Fusing._mix, Acts.SCHEDULE: Fusing._turn}


def _is_product(expert: ExpertFacts) -> bool:
    """Whether an adapter's deltas are products of two factors, which can run beside the layers."""
    return expert.adapter is None or expert.adapter.algorithm == "lora"


def _open(windows: Sequence[Window | None], at: float) -> tuple[int, ...]:
    return tuple(i for i, opened in enumerate(windows) if opened is None or opened[0] <= at < opened[1])


def _steps(opened: Window | None, total: int) -> tuple[int, int]:
    start, end = opened or WHOLE_RUN
    return steps_until(start, total), steps_until(end, total)
