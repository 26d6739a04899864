"""Where a denoising run stands, as tensors and JSON, and back.

A scheduler is built anew from its configuration; then what its steps have left in it is put back, attribute by
attribute: those are named here for each scheduler, nothing else is read or set. A run is stored only if what comes back
equals it in every attribute, so a scheduler that keeps more than is named here is not stored, rather than stored
incompletely.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import torch

from mosaic.compiler.diagnostic import MosaicError
from mosaic.runtime.denoise import SCHEDULERS, build_scheduler
from mosaic.runtime.values import Run

_PLACE: Final = ("_step_index", "_begin_index")
_STATE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "ddim": (),
        "euler": (*_PLACE, "is_scale_input_called"),
        "euler_a": (*_PLACE, "is_scale_input_called"),
        "dpmpp_2m": (*_PLACE, "model_outputs", "lower_order_nums"),
        "unipc": (*_PLACE, "model_outputs", "timestep_list", "lower_order_nums", "last_sample", "this_order"),
    }
)
"""What steps change in each scheduler: numbers, flags, tensors, None, and lists of these."""

_HISTORY: Final = "_use_default_values"
"""A part of diffusers' configurations that says which of them were left out; it decides nothing."""

Tensors = dict[str, torch.Tensor]


class NotStorable(ValueError):
    """What cannot be written down without loss."""


def pack(run: Run, tensors: Tensors) -> dict[str, Any]:
    """A run as JSON. Its tensors go into `tensors`, where the JSON names them.

    Raises NotStorable where the run would not come back as it is.
    """
    if run.name not in _STATE:
        raise NotStorable(run.name)
    configuration = {key: value for key, value in run.scheduler.config.items() if key != _HISTORY}
    state = {
        name: _packed(getattr(run.scheduler, name), f"run.{name}", tensors)
        for name in _STATE[run.name]
        if hasattr(run.scheduler, name)
    }
    tensors["run.generator"] = run.generator
    written = {
        "name": run.name,
        "position": run.position,
        "total": run.total,
        "config": configuration,
        "state": state,
    }
    if not _equal(run, unpack(written, tensors)):
        raise NotStorable(f"{run.name} keeps more than is stored")
    return written


def unpack(written: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Run:
    """The inverse of `pack`. Raises NotStorable, KeyError, TypeError or ValueError for what `pack` did not write."""
    name, total = written["name"], written["total"]
    if name not in SCHEDULERS:
        raise NotStorable(name)
    try:
        scheduler = build_scheduler(name, total, written["config"], "the cache")
    except MosaicError as error:
        raise NotStorable(f"{name} cannot be built") from error
    for attribute in _STATE[name]:
        if attribute in written["state"]:
            setattr(scheduler, attribute, _unpacked(written["state"][attribute], tensors))
    return Run(name, scheduler, scheduler.timesteps, written["position"], tensors["run.generator"])


def _packed(value: object, name: str, tensors: Tensors) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, torch.Tensor):
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, list):
        return [_packed(each, f"{name}.{number}", tensors) for number, each in enumerate(value)]
    raise NotStorable(f"{name} is a {type(value).__name__}")


def _unpacked(value: Any, tensors: Mapping[str, torch.Tensor]) -> object:
    if isinstance(value, dict):
        return tensors[value["tensor"]]
    if isinstance(value, list):
        return [_unpacked(each, tensors) for each in value]
    return value


def _equal(one: Run, other: Run) -> bool:
    """Whether two runs go on in the same way, to the bit."""
    return (
        (one.name, one.position) == (other.name, other.position)
        and same(one.timesteps, other.timesteps)
        and same(one.generator, other.generator)
        and _attributes(one.scheduler).keys() == _attributes(other.scheduler).keys()
        and all(
            same(value, _attributes(other.scheduler)[name])
            for name, value in _attributes(one.scheduler).items()
        )
    )


def _attributes(scheduler: Any) -> dict[str, object]:
    config = {key: value for key, value in scheduler.config.items() if key != _HISTORY}
    return {**vars(scheduler), "_internal_dict": config}


def same(one: object, other: object) -> bool:
    """Whether two values are equal to the bit, and lie on the same device; tensors too, also inside lists and dicts."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return (
            one.dtype == other.dtype
            and one.device.type == other.device.type
            and one.shape == other.shape
            and _bits(one) == _bits(other)
        )
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return type(one) is type(other) and one == other


def _bits(tensor: torch.Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
