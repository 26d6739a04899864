"""The whole models that operands make of what they are fused into: the children of turns and mixes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch

from mosaic.compiler.program import Expert
from mosaic.runtime.beside import Adapter, Beside, fits
from mosaic.runtime.merge import changed
from mosaic.runtime.operands import Changes, Operand
from mosaic.runtime.values import Base, Model, Tree, map_leaves
from mosaic.runtime.weights import Combine, Factors


@dataclass(frozen=True)
class Children:
    """Makes a model of an operand. `load` gives a checkpoint's networks; `adapters` are those that run beside a base's
    layers, by the base's identity and their content: models that are fused with each other share them, whichever
    program made them."""

    changes: Changes
    load: Callable[[Expert], Base]
    adapters: MutableMapping[tuple[int, str], Adapter] = field(default_factory=dict)

    def of(self, tree: Tree, given: Operand, strength: float, *, is_beside: bool) -> Tree:
        """The model that an operand makes of a tree, at a strength. With `is_beside` the products of a LoRA run beside
        the denoiser's layers wherever they can, so that one batch serves many.

        Raises MosaicError (M451-M454, M469) where the operand does not fit.
        """
        if given.expert is not None and given.expert.kind == "lora":
            change = self._with_lora_beside if is_beside else self._with_lora
            return map_leaves(tree, partial(change, given=given, strength=strength))
        other = given.other
        if other is None:
            assert given.expert is not None
            other = Model.of(self.load(given.expert))
        if strength != 1:
            # A part of the way from what it is fused into to the other model.
            return map_leaves(tree, partial(self._towards, other=other, strength=strength))
        return map_leaves(other, partial(self._with_words_of, like=tree))

    def _towards(self, leaf: Model, other: Tree, strength: float) -> Model:
        deltas = self.changes.towards(leaf, other, strength)
        return changed(leaf, (deltas,), Combine(_added, {}), "towards")

    def _with_words_of(self, leaf: Model, like: Tree) -> Model:
        """A leaf that knows the embeddings that were added to another model, so that one prompt serves both."""
        if isinstance(like, Model):
            for expert in like.words:
                if expert not in leaf.words:
                    leaf = self.changes.with_words(leaf, expert)
            return leaf
        return self._with_words_of(leaf, like.rest)

    def _with_lora(self, leaf: Model, given: Operand, strength: float) -> Model:
        assert given.expert is not None
        deltas = self.changes.lora(leaf, given.expert, strength, given.partial)
        return changed(leaf, (deltas,), Combine(_added, {}), "lora") if deltas.compute else leaf

    def _with_lora_beside(self, leaf: Model, given: Operand, strength: float) -> Model:
        assert given.expert is not None
        deltas = self.changes.lora(leaf, given.expert, strength, given.partial)
        products = {name: make for name, make in deltas.factors.items() if _fits_beside(leaf, name)}
        rest = {name: make for name, make in deltas.compute.items() if name not in products}
        adapter = self._adapter(leaf, deltas.key, products)
        leaf = replace(leaf, beside=(*leaf.beside, Beside(adapter, strength)))
        if not rest:
            return leaf
        return changed(leaf, (replace(deltas, compute=rest),), Combine(_added, {}), "lora")

    def _adapter(
        self, leaf: Model, key: str, products: Mapping[str, Callable[[torch.device], Factors]]
    ) -> Adapter:
        """A LoRA in the denoiser's precision; one adapter for all that use it with one base."""
        known = self.adapters.get((id(leaf.base), key))
        if known is None:
            device = leaf.base.device
            factors = {name: make(device.torch).to(device.dtype) for name, make in products.items()}
            known = Adapter(factors, key)
            self.adapters[id(leaf.base), key] = known
        return known


def _fits_beside(leaf: Model, name: str) -> bool:
    inner = leaf.base.unet.parameters.get(name)
    if inner is None or not inner.endswith(".weight"):
        return False
    return fits(leaf.base.unet.layer(name))


def _added(
    base: torch.Tensor, deltas: Sequence[torch.Tensor], strengths: Sequence[float], keys: Sequence[str]
) -> torch.Tensor:
    """One operand alone, to the bit as `sum` adds it: `base + strength · delta`, rounded once."""
    working = torch.float32 if base.device.type == "mps" else torch.float64
    return (base.to(working) + strengths[0] * deltas[0].to(working)).float()
