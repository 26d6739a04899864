"""Adapters as deltas: which tensors of a base an adapter changes, and by how much."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial as bound

import torch

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import TensorsDoNotFit, UnmatchedTensors, UnsupportedAdapter
from mosaic.compiler.program import Expert
from mosaic.compiler.weights.adapter_keys import algorithm, match
from mosaic.compiler.weights.changes import APPLIED, Change
from mosaic.runtime import algorithms
from mosaic.runtime.files import Reader
from mosaic.runtime.weights import Deltas, Factors


@dataclass(frozen=True)
class KeyCount:
    """How many of an expert's tensors found their place. Fusing refuses anything but all, unless the plan allows it."""

    expert: str
    matched: int
    total: int


def lora(
    expert: Expert,
    strength: float,
    shapes: Mapping[str, tuple[int, ...]],
    reader: Reader,
    stored: Mapping[str, torch.Tensor],
    *,
    partial: bool = False,
) -> tuple[Deltas, KeyCount]:
    """The deltas of an adapter (LoRA, LoHa, LoKr, DoRA, full differences) for a base whose tensors have these shapes.

    `stored` are the checkpoint's own tensors: the delta of a DoRA is taken from them, whatever is fused into the model
    already, so that an adapter adds the same to every model of one checkpoint, and deltas can be added in any order. A
    strength multiplies the whole delta.

    With `partial`, tensors without a place and modules of another shape are left out, and counted; something has to
    fit. Raises MosaicError: M451 for tensors without a place, M452 for other algorithms, M453 for other shapes.
    """
    tensors: dict[str, torch.Tensor] = {}
    metadata: dict[str, str] = {}
    for file in expert.files:
        if file.name.endswith("adapter_config.json"):
            # A PEFT folder keeps beside the weights what diffusers keeps in their metadata.
            metadata.setdefault("lora_adapter_metadata", json.dumps(reader.json(file)))
        elif not file.name.endswith((".json", ".txt", ".md")):
            tensors.update(reader.tensors(file))
            metadata.update(reader.metadata(file))
    kind = algorithm(list(tensors))
    if kind not in (*APPLIED, "unknown"):
        raise MosaicError(UnsupportedAdapter(span=None, expert=expert.id, algorithm=kind))
    found = match({name: tuple(tensor.shape) for name, tensor in tensors.items()}, shapes, metadata)
    lenient = partial and bool(found.changes)
    if found.unmatched and not lenient:
        raise MosaicError(
            UnmatchedTensors(span=None, expert=expert.id, names=found.unmatched, total=len(tensors))
        )
    if found.misshaped and not lenient:
        raise MosaicError(TensorsDoNotFit(span=None, expert=expert.id, what="model", names=found.misshaped))
    compute: dict[str, Callable[[torch.device], torch.Tensor]] = {
        change.module: bound(delta, change, tensors, shapes[change.module], stored)
        for change in found.changes
    }
    factors = {
        change.module: bound(_factors, change, tensors)
        for change in found.changes
        if change.encoding == "lora" and not change.magnitude
    }
    used = sum(len(change.parts) for change in found.changes)
    deltas = Deltas(strength, compute, content_key(expert), factors)
    return deltas, KeyCount(expert.id, used if lenient else len(tensors), len(tensors))


def content_key(expert: Expert) -> str:
    """An expert by its bytes, whatever its name."""
    return ",".join(sorted(file.sha256 for file in expert.files))


def delta(
    change: Change,
    tensors: Mapping[str, torch.Tensor],
    shape: tuple[int, ...],
    stored: Mapping[str, torch.Tensor],
    device: torch.device,
) -> torch.Tensor:
    """What an adapter's tensors add at full strength, in the shape of the tensor that they change, float32."""
    if change.encoding == "lora":
        added = _factors(change, tensors, device).dense()
    else:
        added = _DENSE[change.encoding](_Parts(change, tensors, device), shape) * _scale(change, tensors)
    added = added.reshape(shape)
    if not change.magnitude:
        return added
    magnitude = _Parts(change, tensors, device)["dora_scale"].reshape(change.magnitude)
    weight = stored[change.module].to(device=device, dtype=torch.float32)
    return algorithms.dora(weight, added, magnitude)


def _factors(change: Change, tensors: Mapping[str, torch.Tensor], device: torch.device) -> Factors:
    """The factors of a LoRA's module, float32."""
    parts = _Parts(change, tensors, device)
    return Factors(parts["down"], parts["up"], parts.get("mid"), _scale(change, tensors))


def _scale(change: Change, tensors: Mapping[str, torch.Tensor]) -> float:
    alpha = change.parts.get("alpha")
    return change.scale(None if alpha is None else float(tensors[alpha]))


@dataclass(frozen=True)
class _Parts:
    """The tensors of a change by part, float32 on a device."""

    change: Change
    tensors: Mapping[str, torch.Tensor]
    device: torch.device

    def __getitem__(self, part: str) -> torch.Tensor:
        return self.tensors[self.change.parts[part]].to(device=self.device, dtype=torch.float32)

    def get(self, part: str) -> torch.Tensor | None:
        return self[part] if part in self.change.parts else None

    def factored(self, stem: str, core: str = "") -> torch.Tensor:
        """A matrix that is stored whole, or the product that is stored in its place."""
        whole = self.get(stem)
        if whole is not None:
            return whole
        return algorithms.product(self[f"{stem}_a"], self[f"{stem}_b"], self.get(core))


def _loha(parts: _Parts, shape: tuple[int, ...]) -> torch.Tensor:
    return algorithms.loha(parts.factored("hada_w1", "hada_t1"), parts.factored("hada_w2", "hada_t2"))


def _lokr(parts: _Parts, shape: tuple[int, ...]) -> torch.Tensor:
    return algorithms.lokr(parts.factored("lokr_w1"), parts.factored("lokr_w2", "lokr_t2"), shape[2:])


def _full(parts: _Parts, shape: tuple[int, ...]) -> torch.Tensor:
    (part,) = parts.change.parts
    return parts[part]


_DENSE: Mapping[str, Callable[[_Parts, tuple[int, ...]], torch.Tensor]] = {
    "loha": _loha,
    "lokr": _lokr,
    "full": _full,
}
