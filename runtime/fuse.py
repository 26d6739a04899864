"""Fusing: a model and operands become a model, by an operator.

Operators on weights change the tensors of every leaf of the model (`merge.py`); operators on predictions and on the
schedule make a model of each operand (`children.py`) and put a new root over them (`compose.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import partial

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import OperatorDiffers, UnsupportedAdapter
from mosaic.compiler.operators import Acts, Law, Operator
from mosaic.compiler.program import Expert, Fuse
from mosaic.runtime.adapters import KeyCount
from mosaic.runtime.beside import Adapter
from mosaic.runtime.bridges import Bridge
from mosaic.runtime.children import Children
from mosaic.runtime.compose import mix, turn
from mosaic.runtime.files import Reader
from mosaic.runtime.merge import Merge
from mosaic.runtime.operands import Changes, Operand
from mosaic.runtime.values import Base, Model, Tree, map_leaves

PARTS = ("embedding", "vae")
"""Kinds of experts that every operator carries along: a token and a codec are not blended."""


@dataclass(frozen=True)
class Truncation:
    """How much a fusion lost by being cut to a rank: of so many changed matrices the mean and the largest share of the
    squared norm of a change, and the tensor that lost most."""

    operator: str
    rank: int
    tensors: int
    mean: float
    most: float
    worst: str


class Fusion:
    """Turns `Fuse` operations into models. `load` gives a checkpoint's networks, `bridge` reads a bridge; `adapters` as
    `Children` has them."""

    def __init__(
        self,
        experts: tuple[Expert, ...],
        operators: Mapping[str, Operator],
        reader: Reader,
        load: Callable[[Expert], Base],
        bridge: Callable[[Expert], Bridge],
        adapters: MutableMapping[tuple[int, str], Adapter] | None = None,
    ) -> None:
        self._experts = experts
        self._operators = operators
        self._bridge = bridge
        self._changes = Changes(reader)
        self._children = Children(self._changes, load, {} if adapters is None else adapters)
        self._lost: dict[tuple[str, int], dict[str, float]] = {}

    def apply(
        self,
        tree: Tree,
        wanted: Fuse,
        models: Mapping[int, Tree],
        done: Callable[[int], None] = lambda count: None,
        *,
        settle: bool = True,
    ) -> Tree:
        """Fuse operands into a model, which itself stays as it was. `models` are those that operands name by number.

        Without `settle` changed tensors are computed when they are asked for and not kept.

        Raises MosaicError (M451-M454, M461-M463, M469) where an expert or the operator does not fit.
        """
        tree = self._with_parts(tree, wanted)
        operator = self._operator(wanted)
        blended = [o for o in self._blended(wanted, models) if o.strength or not _drops_zeros(operator)]
        if not blended:
            return tree
        settings = {name: value for name, value in wanted.settings.items() if name != "rank"}
        match operator.acts:
            case Acts.WEIGHTS:
                rank = int(wanted.settings.get("rank") or 0)
                note = partial(self._note, operator.name, rank)
                merge = Merge(operator, settings, rank, self._changes, note)
                fused = map_leaves(tree, partial(merge.fuse, operands=blended))
            case Acts.PREDICTIONS:
                fused = mix(tree, operator, settings, blended, self._children)
            case Acts.SCHEDULE:
                bridges = {
                    (b.source, b.target): self._bridge(self._experts[b.expert]) for b in wanted.bridges
                }
                fused = turn(tree, operator, settings, blended, self._children, bridges)
        if settle:
            map_leaves(fused, partial(_settled, done=done))
        return fused

    @property
    def keys(self) -> list[KeyCount]:
        """How each expert's tensors were matched, in the order in which they were read."""
        return self._changes.keys

    def truncations(self) -> tuple[Truncation, ...]:
        """What fusions that were cut to a rank lost, of the tensors that are computed so far."""
        found = []
        for (operator, rank), lost in self._lost.items():
            worst = max(lost, key=lambda name: lost[name])
            found.append(
                Truncation(operator, rank, len(lost), sum(lost.values()) / len(lost), lost[worst], worst)
            )
        return tuple(found)

    def _note(self, operator: str, rank: int, tensor: str, lost: float) -> None:
        self._lost.setdefault((operator, rank), {})[tensor] = lost

    def _with_parts(self, tree: Tree, wanted: Fuse) -> Tree:
        # Parts come before deltas: an embedding gives the embedding matrix its new shape.
        for o in wanted.operands:
            if o.expert is not None and self._experts[o.expert].kind in PARTS:
                change = partial(self._changes.with_part, expert=self._experts[o.expert], strength=o.strength)
                tree = map_leaves(tree, change)
        return tree

    def _operator(self, wanted: Fuse) -> Operator:
        operator = self._operators.get(wanted.operator)
        found = "there is none of that name"
        if operator is not None:
            if operator.version == wanted.operator_version:
                return operator
            found = f"version {operator.version} is installed"
        raise MosaicError(
            OperatorDiffers(span=None, name=wanted.operator, wanted=wanted.operator_version, found=found)
        )

    def _blended(self, wanted: Fuse, models: Mapping[int, Tree]) -> list[Operand]:
        found = []
        for o in wanted.operands:
            expert = None if o.expert is None else self._experts[o.expert]
            if expert is not None and expert.kind in PARTS:
                continue
            if expert is not None and expert.kind not in ("lora", "checkpoint"):
                raise MosaicError(UnsupportedAdapter(span=None, expert=expert.id, algorithm=expert.kind))
            other = models[o.model] if o.model is not None else None
            found.append(Operand(expert, other, o.strength, o.partial, o.window, o.region, o.words))
        return found


def _drops_zeros(operator: Operator) -> bool:
    """Whether a strength of zero leaves an operand out: always where it takes part in predictions or turns."""
    return operator.acts is not Acts.WEIGHTS or Law.IDENTITY_AT_ZERO in operator.laws


def _settled(leaf: Model, done: Callable[[int], None]) -> Model:
    leaf.overlay.settle(done)
    return leaf
