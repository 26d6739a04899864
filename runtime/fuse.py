"""Fusing: a model and experts become a model with an overlay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import torch

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import (
    FamilyCannotRun,
    OperatorDiffers,
    StrengthMustBeOne,
    TensorsDoNotFit,
    TokenTaken,
    UnsupportedAdapter,
)
from mosaic.compiler.operators import Acts, Operator
from mosaic.compiler.program import Expert, Fuse, Operand
from mosaic.runtime.adapters import KeyCount, lora
from mosaic.runtime.files import Reader
from mosaic.runtime.values import EMBEDDINGS, Model
from mosaic.runtime.weights import Deltas, overlay


@dataclass
class Fusion:
    """Turns `Fuse` operations into models. `keys` collects how each expert's tensors were matched."""

    experts: tuple[Expert, ...]
    operators: Mapping[str, Operator]
    reader: Reader
    keys: list[KeyCount] = field(default_factory=list)

    def apply(self, model: Model, wanted: Fuse, done: Callable[[int], None] = lambda count: None) -> Model:
        """Fuse experts into a model, which itself stays as it was.

        Raises MosaicError (M451-M454, M461, M463) where an expert or the operator does not fit.
        """
        deltas: list[Deltas] = []
        operands = [
            (self.experts[operand.expert], operand)
            for operand in wanted.operands
            if operand.expert is not None
        ]
        # Parts come before deltas: an embedding gives the embedding matrix its new shape.
        for expert, operand in operands:
            if expert.kind in ("embedding", "vae"):
                model = self._with_part(model, expert, operand.strength)
        for expert, operand in operands:
            match expert.kind:
                case "lora":
                    deltas.append(self._lora(model, expert, operand))
                case "checkpoint":
                    deltas.append(self._task_vector(model, expert, operand.strength))
                case "control":
                    raise MosaicError(UnsupportedAdapter(span=None, expert=expert.id, algorithm=expert.kind))
        if not deltas:
            return model
        operator = self._operator(wanted)
        device = model.base.device
        changed = overlay(
            model.tensor,
            tuple(deltas),
            operator.kernel,
            {name: value for name, value in wanted.settings.items() if name != "rank"},
            device.dtype,
            device.torch,
            done,
        )
        return replace(model, overlay={**model.overlay, **changed})

    def _with_part(self, model: Model, expert: Expert, strength: float) -> Model:
        if strength != 1:
            raise MosaicError(
                StrengthMustBeOne(span=None, expert=expert.id, kind=expert.kind, strength=strength)
            )
        if expert.kind == "embedding":
            return self._embed(model, expert)
        vae = model.base.family.load_vae(expert, self.reader, model.base.device, model.vae)
        if (vae.channels, vae.factor) != (model.vae.channels, model.vae.factor):
            names = (f"{vae.channels} channels, {vae.factor} pixels a latent pixel",)
            raise MosaicError(
                TensorsDoNotFit(span=None, expert=expert.id, what="model's latents", names=names)
            )
        return replace(model, vae=vae)

    def _operator(self, wanted: Fuse) -> Operator:
        operator = self.operators.get(wanted.operator)
        found = "there is none of that name"
        if operator is not None:
            if operator.version == wanted.operator_version and operator.acts is Acts.WEIGHTS:
                return operator
            found = f"version {operator.version} is installed, which acts on {operator.acts}"
        raise MosaicError(
            OperatorDiffers(span=None, name=wanted.operator, wanted=wanted.operator_version, found=found)
        )

    def _lora(self, model: Model, expert: Expert, operand: Operand) -> Deltas:
        shapes = {name: tuple(model.tensor(name).shape) for name in model.base.stored}
        deltas, count = lora(expert, operand.strength, shapes, self.reader, partial=operand.partial)
        self.keys.append(count)
        return deltas

    def _task_vector(self, model: Model, expert: Expert, strength: float) -> Deltas:
        """The difference of a checkpoint and the base, over unet and text encoder (Ilharco et al. 2023,
        arXiv:2212.04089). Tensors that are equal are not touched, nor is a component that the checkpoint lacks."""
        family = model.base.family
        if expert.family != family.name:
            raise MosaicError(
                FamilyCannotRun(span=None, expert=expert.id, family=str(expert.family), known=family.name)
            )
        other = family.tensors(expert, self.reader)
        theirs = {name: tensor for name, tensor in other.items() if not _is_index(name)}
        held = dict.fromkeys(name.partition(".")[0] for name in theirs)
        ours = {
            name: tensor
            for name, tensor in model.base.stored.items()
            if not _is_index(name) and name.partition(".")[0] in held
        }
        wrong = sorted(ours.keys() ^ theirs.keys())
        wrong += [name for name in ours if name in theirs and ours[name].shape != theirs[name].shape]
        if wrong:
            raise MosaicError(
                TensorsDoNotFit(
                    span=None, expert=expert.id, what=f"model `{model.base.id}`", names=tuple(wrong)
                )
            )
        self.keys.append(KeyCount(expert.id, len(theirs), len(theirs)))
        return Deltas(
            strength,
            {
                name: partial(_difference, ours[name], theirs[name], tuple(model.tensor(name).shape))
                for name in ours
                if not torch.equal(ours[name].float(), theirs[name].float())
            },
        )

    def _embed(self, model: Model, expert: Expert) -> Model:
        """Textual inversion (Gal et al. 2022, arXiv:2208.01618): new rows of the embedding matrix, new words.

        An embedding of n vectors adds one word of n tokens; the rows are also reachable one by one as
        `word_1`…
        """
        files = [file for file in expert.files if not file.name.endswith((".json", ".txt", ".md"))]
        found = [pair for file in files for pair in self.reader.tensors(file).items()]
        matrix = model.tensor(EMBEDDINGS)
        if len(found) != 1 or found[0][1].ndim not in (1, 2) or found[0][1].shape[-1] != matrix.shape[1]:
            shown = tuple(f"{name}: {tuple(tensor.shape)}" for name, tensor in found) or ("no tensor",)
            what = f"text encoder, whose words are {matrix.shape[1]} wide"
            raise MosaicError(TensorsDoNotFit(span=None, expert=expert.id, what=what, names=shown))
        name, vectors = found[0]
        word = expert.trigger or name
        rows = vectors.reshape(-1, matrix.shape[1]).float()
        first = matrix.shape[0]
        ids = range(first, first + len(rows))
        words = [(word, tuple(ids)), *((f"{word}_{n}", (first + n,)) for n in range(1, len(rows)))]
        tokens = model.tokens
        for new, numbers in words:
            if tokens.knows(new):
                raise MosaicError(TokenTaken(span=None, expert=expert.id, token=new))
            tokens = tokens.adding(new, numbers)
        device = model.base.device
        extended = torch.cat([matrix.float().cpu(), rows]).to(device=device.torch, dtype=device.dtype)
        self.keys.append(KeyCount(expert.id, 1, 1))
        return replace(model, tokens=tokens, overlay={**model.overlay, EMBEDDINGS: extended})


def _is_index(name: str) -> bool:
    return name.endswith(".position_ids")


def _difference(
    ours: torch.Tensor, theirs: torch.Tensor, shape: tuple[int, ...], device: torch.device
) -> torch.Tensor:
    delta = theirs.to(device=device, dtype=torch.float32) - ours.to(device=device, dtype=torch.float32)
    if tuple(delta.shape) == shape:
        return delta
    # An embedding added rows that the checkpoint does not have: it leaves them as they are.
    return torch.cat([delta, delta.new_zeros(shape[0] - delta.shape[0], *shape[1:])])
