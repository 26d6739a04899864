"""Fusing: a model and operands become a model, by an operator.

Operators on weights change the tensors of every leaf of the model; operators on predictions and on the schedule make a
model of each operand and put a new root over them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

import torch

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import (
    FamilyCannotRun,
    NotOneModel,
    OperatorDiffers,
    StrengthMustBeOne,
    TensorsDoNotFit,
    UnsupportedAdapter,
)
from mosaic.compiler.operators import Acts, Law, Operator
from mosaic.compiler.program import Expert, Fuse, Region
from mosaic.compiler.steps import steps_until
from mosaic.compiler.weights.layers import Selector, parse
from mosaic.runtime.adapters import KeyCount, content_key, lora
from mosaic.runtime.beside import Adapter, Beside, fits
from mosaic.runtime.bridges import Bridge
from mosaic.runtime.files import Reader
from mosaic.runtime.values import Base, Mix, Model, Tree, Turn, Window, map_leaves
from mosaic.runtime.weights import Combine, Deltas, Factors, overlay
from mosaic.runtime.words import embed


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


@dataclass(frozen=True)
class _Operand:
    """One operand that is blended: a LoRA (`expert`), or a whole model (`other`)."""

    expert: Expert | None
    other: Tree | None
    strength: float
    partial: bool
    window: Window | None
    region: Region | None
    words: str


@dataclass
class Fusion:
    """Turns `Fuse` operations into models. `keys` collects how each expert's tensors were matched, `truncations` what
    was cut off. `load` gives a checkpoint's networks, `bridge` reads a bridge."""

    experts: tuple[Expert, ...]
    operators: Mapping[str, Operator]
    reader: Reader
    load: Callable[[Expert], Base]
    bridge: Callable[[Expert], Bridge]
    keys: list[KeyCount] = field(default_factory=list)
    _lost: dict[tuple[str, int], dict[str, float]] = field(default_factory=dict)
    _adapters: dict[tuple[int, str], Adapter] = field(default_factory=dict)

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

        Raises MosaicError (M451-M454, M461, M463) where an expert or the operator does not fit.
        """
        parts = [
            (self.experts[o.expert], o.strength)
            for o in wanted.operands
            if o.expert is not None and self.experts[o.expert].kind in ("embedding", "vae")
        ]
        # Parts come before deltas: an embedding gives the embedding matrix its new shape.
        for expert, strength in parts:
            tree = map_leaves(tree, partial(self._with_part, expert=expert, strength=strength))
        operator = self._operator(wanted)
        blended = [o for o in self._blended(wanted, models) if o.strength or not _drops_zeros(operator)]
        if not blended:
            return tree
        settings = {name: value for name, value in wanted.settings.items() if name != "rank"}
        match operator.acts:
            case Acts.WEIGHTS:
                made = _Weights(self, operator, settings, int(wanted.settings.get("rank") or 0))
                fused = map_leaves(tree, partial(made.fuse, operands=blended))
            case Acts.PREDICTIONS:
                fused = self._mix(tree, operator, settings, blended)
            case Acts.SCHEDULE:
                bridges = {(b.source, b.target): self.bridge(self.experts[b.expert]) for b in wanted.bridges}
                fused = self._turn(tree, operator, settings, blended, bridges)
        if settle:
            map_leaves(fused, partial(_settled, done=done))
        return fused

    def truncations(self) -> tuple[Truncation, ...]:
        """What fusions that were cut to a rank lost, of the tensors that are computed so far."""
        found = []
        for (operator, rank), lost in self._lost.items():
            worst = max(lost, key=lambda name: lost[name])
            found.append(
                Truncation(operator, rank, len(lost), sum(lost.values()) / len(lost), lost[worst], worst)
            )
        return tuple(found)

    def note(self, operator: str, rank: int, tensor: str, lost: float) -> None:
        """Remember what a tensor lost."""
        self._lost.setdefault((operator, rank), {})[tensor] = lost

    def _blended(self, wanted: Fuse, models: Mapping[int, Tree]) -> list[_Operand]:
        found = []
        for o in wanted.operands:
            expert = None if o.expert is None else self.experts[o.expert]
            if expert is not None and expert.kind in ("embedding", "vae"):
                continue
            if expert is not None and expert.kind not in ("lora", "checkpoint"):
                raise MosaicError(UnsupportedAdapter(span=None, expert=expert.id, algorithm=expert.kind))
            other = models[o.model] if o.model is not None else None
            found.append(_Operand(expert, other, o.strength, o.partial, o.window, o.region, o.words))
        return found

    def _mix(
        self, tree: Tree, operator: Operator, settings: Mapping[str, object], operands: Sequence[_Operand]
    ) -> Mix:
        children = [self._child(tree, o, o.strength if operator.scales else 1.0, True) for o in operands]
        return Mix(
            rest=tree,
            children=tuple(children),
            strengths=tuple(o.strength for o in operands),
            windows=tuple(o.window for o in operands),
            regions=tuple(o.region for o in operands),
            shares=partial(operator.kernel, **settings),
            shares_unconditional=operator.shares_unconditional,
        )

    def _turn(
        self,
        tree: Tree,
        operator: Operator,
        settings: Mapping[str, object],
        operands: Sequence[_Operand],
        bridges: Mapping[tuple[str, str], Bridge],
    ) -> Turn:
        windows = [o.window for o in operands]

        def table(total: int, shares: Sequence[float]) -> Sequence[int]:
            chosen: Sequence[int] = operator.kernel(
                total, [_steps(window, total) for window in windows], shares, **settings
            )
            return chosen

        weighs = bool(operator.weighs) and bool(settings.get(operator.weighs))
        return Turn(
            rest=tree,
            children=tuple(self._child(tree, o, o.strength, False) for o in operands),
            table=table,
            words=tuple(o.words for o in operands) if weighs else (),
            bridges=bridges,
        )

    def _child(self, tree: Tree, given: _Operand, strength: float, is_beside: bool) -> Tree:
        """The whole model that an operand makes of what it is fused into, at a strength."""
        if given.expert is not None and given.expert.kind == "lora":
            return map_leaves(
                tree, partial(self._with_lora, given=given, strength=strength, is_beside=is_beside)
            )
        other = given.other
        if other is None:
            assert given.expert is not None
            other = Model.of(self.load(given.expert))
        if strength != 1:
            # A part of the way from what it is fused into to the other model.
            return map_leaves(tree, partial(self._towards, other=other, strength=strength))
        return map_leaves(other, partial(self._with_words_of, like=tree))

    def _towards(self, leaf: Model, other: Tree, strength: float) -> Model:
        if not isinstance(other, Model) or other.beside:
            raise MosaicError(NotOneModel(span=None, what="an operand with a strength"))
        vector = self._vector(leaf, other.base.id, other.content, *_tensors(other), leaf.tensor)
        return _changed(leaf, (replace(vector, strength=strength),), Combine(_added, {}), "towards")

    def _with_words_of(self, leaf: Model, like: Tree) -> Model:
        """A leaf that knows the embeddings that were added to another model, so that one prompt serves both."""
        if isinstance(like, Model):
            for expert in like.words:
                if expert not in leaf.words:
                    leaf = self._embed(leaf, expert)
            return leaf
        return self._with_words_of(leaf, like.rest)

    def _with_lora(self, leaf: Model, given: _Operand, strength: float, is_beside: bool) -> Model:
        assert given.expert is not None
        deltas = self.lora(leaf, given.expert, strength, given.partial)
        dense = deltas
        if is_beside:
            is_product = {name: self._fits_beside(leaf, name) for name in deltas.factors}
            products = {name: make for name, make in deltas.factors.items() if is_product[name]}
            dense = replace(
                deltas, compute={name: make for name, make in deltas.compute.items() if name not in products}
            )
            leaf = replace(
                leaf, beside=(*leaf.beside, Beside(self._adapter(leaf, deltas.key, products), strength))
            )
        if not dense.compute:
            return leaf
        return _changed(leaf, (dense,), Combine(_added, {}), "lora")

    def _fits_beside(self, leaf: Model, name: str) -> bool:
        inner = leaf.base.unet.parameters.get(name)
        if inner is None or not inner.endswith(".weight"):
            return False
        return fits(leaf.base.unet.module.get_submodule(inner.removesuffix(".weight")))

    def _adapter(
        self, leaf: Model, key: str, products: Mapping[str, Callable[[torch.device], Factors]]
    ) -> Adapter:
        """A LoRA in the denoiser's precision; one adapter for all that use it with one base."""
        known = self._adapters.get((id(leaf.base), key))
        if known is None:
            device = leaf.base.device
            known = Adapter({name: make(device.torch).to(device.dtype) for name, make in products.items()})
            self._adapters[id(leaf.base), key] = known
        return known

    def _with_part(self, leaf: Model, expert: Expert, strength: float) -> Model:
        if strength != 1:
            raise MosaicError(
                StrengthMustBeOne(span=None, expert=expert.id, kind=expert.kind, strength=strength)
            )
        if expert.kind == "embedding":
            return self._embed(leaf, expert)
        vae = leaf.base.family.load_vae(expert, self.reader, leaf.base.device, leaf.vae)
        if (vae.channels, vae.factor) != (leaf.vae.channels, leaf.vae.factor):
            names = (f"{vae.channels} channels, {vae.factor} pixels a latent pixel",)
            raise MosaicError(
                TensorsDoNotFit(span=None, expert=expert.id, what="model's latents", names=names)
            )
        return replace(leaf, vae=vae, space=expert.latent_space or content_key(expert))

    def _embed(self, leaf: Model, expert: Expert) -> Model:
        leaf = embed(leaf, expert, self.reader)
        self.keys.append(KeyCount(expert.id, 1, 1))
        return leaf

    def _operator(self, wanted: Fuse) -> Operator:
        operator = self.operators.get(wanted.operator)
        found = "there is none of that name"
        if operator is not None:
            if operator.version == wanted.operator_version:
                return operator
            found = f"version {operator.version} is installed"
        raise MosaicError(
            OperatorDiffers(span=None, name=wanted.operator, wanted=wanted.operator_version, found=found)
        )

    def lora(self, leaf: Model, expert: Expert, strength: float, is_partial: bool) -> Deltas:
        """What a LoRA adds to a leaf."""
        shapes = {name: tuple(leaf.tensor(name).shape) for name in leaf.base.stored}
        deltas, count = lora(expert, strength, shapes, self.reader, partial=is_partial)
        self.keys.append(count)
        return deltas

    def task_vector(self, leaf: Model, given: _Operand, strength: float) -> Deltas:
        """The difference of another model and a leaf's base, over unet and text encoder (Ilharco et al. 2023,
        arXiv:2212.04089). Tensors that are equal are not touched, nor is a component that a checkpoint lacks."""
        family = leaf.base.family
        if given.other is not None:
            other = given.other
            if not isinstance(other, Model) or other.beside:
                raise MosaicError(NotOneModel(span=None, what="an operand of an operator on weights"))
            name, key = other.base.id, other.content
            theirs, shapes = _tensors(other)
        else:
            assert given.expert is not None
            name, key = given.expert.id, content_key(given.expert)
            if given.expert.family != family.name:
                shown = str(given.expert.family)
                raise MosaicError(FamilyCannotRun(span=None, expert=name, family=shown, known=family.name))
            stored = family.tensors(given.expert, self.reader)
            theirs = {each: partial(stored.__getitem__, each) for each in stored}
            shapes = {each: tuple(tensor.shape) for each, tensor in stored.items()}
        vector = self._vector(leaf, name, key, theirs, shapes, leaf.base.stored.__getitem__)
        return replace(vector, strength=strength)

    def _vector(
        self,
        leaf: Model,
        name: str,
        key: str,
        theirs: Mapping[str, Callable[[], torch.Tensor]],
        shapes: Mapping[str, tuple[int, ...]],
        ours: Callable[[str], torch.Tensor],
    ) -> Deltas:
        """From tensors of a leaf (`ours`) to those of another model, of the same names and shapes."""
        given = {each: shape for each, shape in shapes.items() if not _is_index(each)}
        held = dict.fromkeys(each.partition(".")[0] for each in given)
        own = {
            each: tuple(tensor.shape)
            for each, tensor in leaf.base.stored.items()
            if not _is_index(each) and each.partition(".")[0] in held
        }
        wrong = sorted(own.keys() ^ given.keys())
        wrong += [each for each in own if each in given and own[each] != given[each]]
        if wrong:
            what = f"model `{leaf.base.id}`"
            raise MosaicError(TensorsDoNotFit(span=None, expert=name, what=what, names=tuple(wrong)))
        self.keys.append(KeyCount(name, len(given), len(given)))
        compute = {
            each: partial(_difference, partial(ours, each), theirs[each], tuple(leaf.tensor(each).shape))
            for each in own
            if not _equal(ours(each), theirs[each]())
        }
        return Deltas(1.0, compute, key)


def _tensors(
    other: Model,
) -> tuple[dict[str, Callable[[], torch.Tensor]], dict[str, tuple[int, ...]]]:
    """The tensors of a model and their shapes. The rows that embeddings added to its words are left out."""
    shapes = {name: tuple(tensor.shape) for name, tensor in other.base.stored.items()}
    return {name: partial(_rows, other, name, shapes[name]) for name in shapes}, shapes


def _rows(other: Model, name: str, shape: tuple[int, ...]) -> torch.Tensor:
    tensor = other.tensor(name)
    return tensor if tuple(tensor.shape) == shape else tensor[: shape[0]]


@dataclass(frozen=True)
class _Weights:
    """An operator on weights, with its settings, applied to leaves."""

    fusion: Fusion
    operator: Operator
    settings: Mapping[str, object]
    rank: int = 0

    def fuse(self, leaf: Model, operands: Sequence[_Operand]) -> Tree:
        """The leaf with the operands in its weights; for each stretch of the run those whose windows are open."""
        taken = [self._deltas(leaf, each) for each in operands]
        windows = [each.window for each in operands]
        if all(window is None for window in windows):
            return self._leaf(leaf, taken)
        bounds = sorted({0.0, 1.0, *(bound for window in windows if window is not None for bound in window)})
        sets = list(dict.fromkeys(_open(windows, (low + high) / 2) for low, high in pairwise(bounds)))
        children = tuple(self._leaf(leaf, [taken[i] for i in chosen]) for chosen in sets)

        def table(total: int, shares: Sequence[float]) -> Sequence[int]:
            spans = [_steps(window, total) for window in windows]
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
            self.operator.kernel,
            self.settings,
            self.rank,
            Law.LINEAR in self.operator.laws,
            partial(self.fusion.note, self.operator.name, self.rank),
        )
        how = f"{self.operator.name}/{self.operator.version} {sorted(self.settings.items())} {self.rank}"
        return _changed(leaf, tuple(taken), combine, how)

    def _deltas(self, leaf: Model, given: _Operand) -> Deltas:
        if given.expert is not None and given.expert.kind == "lora":
            deltas = self.fusion.lora(leaf, given.expert, given.strength, given.partial)
        else:
            deltas = self.fusion.task_vector(leaf, given, given.strength)
        if not self.operator.selector:
            return deltas
        selector = parse(str(self.settings[self.operator.selector]))
        assert isinstance(selector, Selector), "the rules refuse a malformed selector"
        return replace(
            deltas,
            compute={name: make for name, make in deltas.compute.items() if selector.selects(name)},
        )


def _changed(leaf: Model, operands: tuple[Deltas, ...], combine: Combine, how: str) -> Model:
    device = leaf.base.device
    changed = overlay(leaf.tensor, leaf.overlay, operands, combine, device.dtype, device.torch)
    touched = {name.startswith("text_encoder.") for each in operands for name in each.compute}
    made = [leaf.content, how, *(f"{each.key} * {each.strength!r}" for each in operands)]
    return replace(
        leaf,
        overlay=changed,
        voice=object() if True in touched else leaf.voice,
        hand=object() if False in touched else leaf.hand,
        content=hashlib.sha256("\n".join(made).encode()).hexdigest(),
    )


def _added(
    base: torch.Tensor, deltas: Sequence[torch.Tensor], strengths: Sequence[float], keys: Sequence[str]
) -> torch.Tensor:
    """One operand alone, to the bit as `sum` adds it: `base + strength · delta`, rounded once."""
    working = torch.float32 if base.device.type == "mps" else torch.float64
    return (base.to(working) + strengths[0] * deltas[0].to(working)).float()


def _drops_zeros(operator: Operator) -> bool:
    """Whether a strength of zero leaves an operand out: always where it takes part in predictions or turns."""
    return operator.acts is not Acts.WEIGHTS or Law.IDENTITY_AT_ZERO in operator.laws


def _settled(leaf: Model, done: Callable[[int], None]) -> Model:
    leaf.overlay.settle(done)
    return leaf


def _steps(window: Window | None, total: int) -> tuple[int, int]:
    return (0, total) if window is None else (steps_until(window[0], total), steps_until(window[1], total))


def _open(windows: Sequence[Window | None], at: float) -> tuple[int, ...]:
    return tuple(i for i, window in enumerate(windows) if window is None or window[0] <= at < window[1])


def _is_index(name: str) -> bool:
    return name.endswith(".position_ids")


def _equal(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    return torch.equal(ours[: len(theirs)].float().cpu(), theirs.float().cpu())


def _difference(
    ours: Callable[[], torch.Tensor],
    theirs: Callable[[], torch.Tensor],
    shape: tuple[int, ...],
    device: torch.device,
) -> torch.Tensor:
    wanted = theirs().to(device=device, dtype=torch.float32)
    delta = wanted - ours()[: len(wanted)].to(device=device, dtype=torch.float32)
    if tuple(delta.shape) == shape:
        return delta
    # An embedding added rows that the checkpoint does not have: it leaves them as they are.
    return torch.cat([delta, delta.new_zeros(shape[0] - delta.shape[0], *shape[1:])])
