"""The operands of a fusion, and what each changes of a leaf: weights, words, the codec."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import StrengthMustBeOne, TensorsDoNotFit
from mosaic.compiler.program import Expert, Region
from mosaic.compiler.steps import steps_until
from mosaic.runtime.adapters import KeyCount, content_key, lora
from mosaic.runtime.files import Reader
from mosaic.runtime.task_vectors import of_checkpoint, of_model, task_vector
from mosaic.runtime.values import Model, Tree, Window
from mosaic.runtime.weights import Deltas
from mosaic.runtime.words import embed


@dataclass(frozen=True)
class Operand:
    """One operand that is blended: a LoRA or a checkpoint (`expert`), or a fused model (`other`)."""

    expert: Expert | None
    other: Tree | None
    strength: float
    partial: bool
    window: Window | None
    region: Region | None
    words: str

    def steps(self, total: int) -> tuple[int, int]:
        """The first step of its window, and the first after it, in a run of so many."""
        if self.window is None:
            return 0, total
        return steps_until(self.window[0], total), steps_until(self.window[1], total)


@dataclass(frozen=True)
class Changes:
    """Reads what operands change of leaves. `keys` collects how each expert's tensors were matched."""

    reader: Reader
    keys: list[KeyCount] = field(default_factory=list)

    def lora(self, leaf: Model, expert: Expert, strength: float, is_partial: bool) -> Deltas:
        """What an adapter adds to a leaf. Raises MosaicError (M451-M453)."""
        shapes = {name: tuple(leaf.tensor(name).shape) for name in leaf.base.stored}
        deltas, count = lora(expert, strength, shapes, self.reader, leaf.base.stored, partial=is_partial)
        self.keys.append(count)
        return deltas

    def task_vector(self, leaf: Model, given: Operand) -> Deltas:
        """The difference of another model and a leaf's base, over unet and text encoder. Raises MosaicError (M453,
        M462, M469)."""
        if given.other is not None:
            theirs = of_model(given.other, "an operand of an operator on weights")
        else:
            assert given.expert is not None
            theirs = of_checkpoint(leaf, given.expert, self.reader)
        deltas, count = task_vector(leaf, theirs, leaf.base.stored.__getitem__, given.strength)
        self.keys.append(count)
        return deltas

    def towards(self, leaf: Model, other: Tree, strength: float) -> Deltas:
        """A part of the way from a leaf, as it is changed, to another model. Raises MosaicError (M453, M469)."""
        theirs = of_model(other, "an operand with a strength")
        deltas, count = task_vector(leaf, theirs, leaf.tensor, strength)
        self.keys.append(count)
        return deltas

    def with_part(self, leaf: Model, expert: Expert, strength: float) -> Model:
        """A leaf with an embedding's words or another VAE. Raises MosaicError (M453, M454, M463)."""
        if strength != 1:
            raise MosaicError(
                StrengthMustBeOne(span=None, expert=expert.id, kind=expert.kind, strength=strength)
            )
        if expert.kind == "embedding":
            return self.with_words(leaf, expert)
        vae = leaf.base.family.load_vae(expert, self.reader, leaf.base.device, leaf.vae)
        if (vae.channels, vae.factor) != (leaf.vae.channels, leaf.vae.factor):
            names = (f"{vae.channels} channels, {vae.factor} pixels a latent pixel",)
            raise MosaicError(
                TensorsDoNotFit(span=None, expert=expert.id, what="model's latents", names=names)
            )
        return replace(leaf, vae=vae, space=expert.latent_space or content_key(expert))

    def with_words(self, leaf: Model, expert: Expert) -> Model:
        """A leaf that knows the words of an embedding."""
        leaf = embed(leaf, expert, self.reader)
        self.keys.append(KeyCount(expert.id, 1, 1))
        return leaf
