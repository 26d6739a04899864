"""Task vectors: from the tensors of a leaf to those of another model (Ilharco et al. 2023, arXiv:2212.04089)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import FamilyCannotRun, NotOneModel, TensorsDoNotFit
from mosaic.compiler.program import Expert
from mosaic.runtime.adapters import KeyCount, content_key
from mosaic.runtime.files import Reader
from mosaic.runtime.values import Model, Tree
from mosaic.runtime.weights import Deltas


@dataclass(frozen=True)
class Tensors:
    """The tensors of a model, by canonical name, read when they are asked for. `key` names them by digests."""

    name: str
    key: str
    read: Mapping[str, Callable[[], torch.Tensor]]
    shapes: Mapping[str, tuple[int, ...]]


def of_model(other: Tree, what: str) -> Tensors:
    """Of a fused model, without the rows that embeddings added to its words.

    Raises MosaicError (M469) where it is no one set of weights; `what` says what it was to be.
    """
    if not isinstance(other, Model) or other.beside:
        raise MosaicError(NotOneModel(span=None, what=what))
    shapes = {name: tuple(tensor.shape) for name, tensor in other.base.stored.items()}
    read = {name: partial(_rows, other, name, shapes[name]) for name in shapes}
    return Tensors(other.base.id, other.content, read, shapes)


def of_checkpoint(leaf: Model, expert: Expert, reader: Reader) -> Tensors:
    """Of a checkpoint, as its file has them. Raises MosaicError (M462) where it is of another family than a leaf."""
    family = leaf.base.family
    if expert.family != family.name:
        shown = str(expert.family)
        raise MosaicError(FamilyCannotRun(span=None, expert=expert.id, family=shown, known=family.name))
    stored = family.tensors(expert, reader)
    read = {name: partial(stored.__getitem__, name) for name in stored}
    shapes = {name: tuple(tensor.shape) for name, tensor in stored.items()}
    return Tensors(expert.id, content_key(expert), read, shapes)


def task_vector(
    leaf: Model, theirs: Tensors, ours: Callable[[str], torch.Tensor], strength: float
) -> tuple[Deltas, KeyCount]:
    """From tensors of a leaf (`ours`) to those of another model, of the same names and shapes.

    Tensors that are equal are not touched, nor is a component that the other lacks.
    """
    given = {name: shape for name, shape in theirs.shapes.items() if not _is_index(name)}
    held = dict.fromkeys(name.partition(".")[0] for name in given)
    own = {
        name: tuple(tensor.shape)
        for name, tensor in leaf.base.stored.items()
        if not _is_index(name) and name.partition(".")[0] in held
    }
    wrong = sorted(own.keys() ^ given.keys())
    wrong += [name for name in own if name in given and own[name] != given[name]]
    if wrong:
        what = f"model `{leaf.base.id}`"
        raise MosaicError(TensorsDoNotFit(span=None, expert=theirs.name, what=what, names=tuple(wrong)))
    compute = {
        name: partial(_difference, partial(ours, name), theirs.read[name], tuple(leaf.tensor(name).shape))
        for name in own
        if not _equal(ours(name), theirs.read[name]())
    }
    return Deltas(strength, compute, theirs.key), KeyCount(theirs.name, len(given), len(given))


def _rows(other: Model, name: str, shape: tuple[int, ...]) -> torch.Tensor:
    tensor = other.tensor(name)
    return tensor if tuple(tensor.shape) == shape else tensor[: shape[0]]


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
