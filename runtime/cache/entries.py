"""Values as bytes, and back: safetensors with a JSON description, nothing that could run.

The tensors of a latent are kept with the kind of device that each lay on, so that what is computed from one that was
read is computed where it would have been.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from mosaic.runtime.cache.schedulers import NotStorable, Tensors, pack, unpack
from mosaic.runtime.cache.tiers import Cacheable, Encoding, Overlays
from mosaic.runtime.values import Image, Latent

_UNREADABLE: Final = (
    SafetensorError,
    NotStorable,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    RuntimeError,
)
_LENGTH: Final = struct.Struct("<I")


def encode(value: Cacheable) -> bytes | None:
    """A value as bytes, or None where it would not come back exactly as it is."""
    tensors: Tensors = {}
    match value:
        case Image(pixels=pixels):
            described: dict[str, Any] = {"type": "image"}
            tensors["pixels"] = torch.from_numpy(pixels)
        case Encoding(hidden=hidden):
            described = {"type": "text"}
            tensors["hidden"] = hidden
        case Overlays(leaves=leaves):
            described = {"type": "overlays", "leaves": len(leaves)}
            tensors |= {
                f"{n}:{name}": tensor for n, leaf in enumerate(leaves) for name, tensor in leaf.items()
            }
        case Latent():
            try:
                described = _latent(value, tensors)
            except NotStorable:
                return None
    described["devices"] = {name: tensor.device.type for name, tensor in tensors.items()}
    try:
        text = json.dumps(described, sort_keys=True).encode()
    except (TypeError, ValueError):  # a configuration that is no JSON
        return None
    stored = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    return _LENGTH.pack(len(text)) + text + save(stored)


def decode(data: bytes) -> Cacheable | None:
    """The value, each tensor on the kind of device that it lay on, or None for bytes that `encode` did not write."""
    try:
        (length,) = _LENGTH.unpack_from(data)
        described = json.loads(data[_LENGTH.size : _LENGTH.size + length])
        tensors = load(data[_LENGTH.size + length :])
        # Copied, as what torch allocates is aligned, and some kernels add in another order where it is not.
        placed = {name: tensor.clone().to(described["devices"][name]) for name, tensor in tensors.items()}
        if described["type"] == "image":
            return Image(placed["pixels"].numpy())
        if described["type"] == "text":
            return Encoding(placed["hidden"])
        if described["type"] == "overlays":
            return _overlays(described["leaves"], placed)
        run = described["run"]
        return Latent(placed["sample"], None if run is None else unpack(run, placed), placed.get("clean"))
    except (*_UNREADABLE, struct.error):
        return None


def _overlays(count: int, tensors: Tensors) -> Overlays:
    leaves: list[dict[str, torch.Tensor]] = [{} for _ in range(count)]
    for name, tensor in tensors.items():
        number, _, inner = name.partition(":")
        leaves[int(number)][inner] = tensor
    return Overlays(tuple(leaves))


def _latent(latent: Latent, tensors: Tensors) -> dict[str, Any]:
    run = None if latent.run is None else pack(latent.run, tensors)
    tensors["sample"] = latent.sample
    if latent.clean is not None:
        tensors["clean"] = latent.clean
    return {"type": "latent", "run": run}
