"""Adapters as deltas: which tensors of a base a LoRA changes, and by how much."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial as bound
from typing import Any

import torch

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import TensorsDoNotFit, UnmatchedTensors, UnsupportedAdapter
from mosaic.compiler.program import Expert
from mosaic.compiler.weights.adapter_keys import Pair, algorithm, match
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
    *,
    partial: bool = False,
) -> tuple[Deltas, KeyCount]:
    """The deltas of a LoRA (Hu et al. 2021, arXiv:2106.09685) for a base whose tensors have these shapes.

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
    _require_lora(expert, tensors, metadata)
    found = match({name: tuple(tensor.shape) for name, tensor in tensors.items()}, shapes, metadata)
    lenient = partial and bool(found.pairs)
    if found.unmatched and not lenient:
        raise MosaicError(
            UnmatchedTensors(span=None, expert=expert.id, names=found.unmatched, total=len(tensors))
        )
    if found.misshaped and not lenient:
        raise MosaicError(TensorsDoNotFit(span=None, expert=expert.id, what="model", names=found.misshaped))
    compute: dict[str, Callable[[torch.device], torch.Tensor]] = {
        pair.module: bound(_delta, pair, tensors, shapes[pair.module]) for pair in found.pairs
    }
    factors = {pair.module: bound(_factors, pair, tensors) for pair in found.pairs}
    used = sum(2 + (pair.alpha is not None) + (pair.mid is not None) for pair in found.pairs)
    deltas = Deltas(strength, compute, content_key(expert), factors)
    return deltas, KeyCount(expert.id, used if lenient else len(tensors), len(tensors))


def _require_lora(expert: Expert, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    kind = algorithm(list(tensors))
    if kind not in ("lora", "unknown"):
        raise MosaicError(UnsupportedAdapter(span=None, expert=expert.id, algorithm=kind))
    if _stated(metadata).get("use_dora") is True:
        raise MosaicError(UnsupportedAdapter(span=None, expert=expert.id, algorithm="dora"))


def _stated(metadata: Mapping[str, str]) -> dict[str, Any]:
    """PEFT's configuration with component prefixes dropped."""
    try:
        config = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(config, dict):
        return {}
    return {key.rpartition(".")[2]: value for key, value in config.items() if value}


def content_key(expert: Expert) -> str:
    """An expert by its bytes, whatever its name."""
    return ",".join(sorted(file.sha256 for file in expert.files))


def _delta(
    pair: Pair, tensors: Mapping[str, torch.Tensor], shape: tuple[int, ...], device: torch.device
) -> torch.Tensor:
    """`alpha / rank · up · down` in the shape of the tensor it changes, float32."""
    return _factors(pair, tensors, device).dense().reshape(shape)


def _factors(pair: Pair, tensors: Mapping[str, torch.Tensor], device: torch.device) -> Factors:
    """The factors of a module, float32."""

    def factor(name: str) -> torch.Tensor:
        return tensors[name].to(device=device, dtype=torch.float32)

    alpha = pair.rank if pair.stated_alpha is None else pair.stated_alpha
    if pair.alpha is not None:
        alpha = float(tensors[pair.alpha])
    mid = None if pair.mid is None else factor(pair.mid)
    return Factors(factor(pair.down), factor(pair.up), mid, alpha / pair.rank)
