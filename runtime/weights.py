"""Weights by reference: a fused model is its base plus an overlay of the tensors that changed.

Nothing is ever added to or subtracted from a base's tensors. While a fused model computes, the parameters
that its overlay names point at the overlay's tensors; afterwards they point at the base's again. So
switching between looks costs no arithmetic and leaves no rounding behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from mosaic.compiler.weights.adapter_keys import canonical


@dataclass(frozen=True)
class Component:
    """A network of a base (`unet`, `text_encoder`) and where its canonical tensor names lie in the module.

    Canonical names begin with the component: `unet.conv_in.weight`.
    """

    name: str
    module: nn.Module
    parameters: Mapping[str, str]

    @classmethod
    def of(cls, name: str, module: nn.Module) -> Component:
        """Name every parameter of a module canonically."""
        names = {canonical(f"{name}.{inner}"): inner for inner, _ in module.named_parameters()}
        return cls(name, module, names)


@contextmanager
def wearing(component: Component, overlay: Mapping[str, torch.Tensor]) -> Iterator[nn.Module]:
    """The component's module with the overlay's tensors in place, until the block is left, however it is
    left.

    Names of other components are passed over. An overlay's tensor may have another shape than the base's (an
    embedding matrix with more rows).
    """
    kept: list[tuple[nn.Parameter, torch.Tensor]] = []
    try:
        for name, tensor in overlay.items():
            inner = component.parameters.get(name)
            if inner is None:
                continue
            parameter = component.module.get_parameter(inner)
            kept.append((parameter, parameter.data))
            parameter.data = tensor
        yield component.module
    finally:
        for parameter, tensor in reversed(kept):
            parameter.data = tensor


Kernel = Callable[..., torch.Tensor]


@dataclass(frozen=True)
class Deltas:
    """What one operand adds to a base: for each tensor that it touches, a function that computes the dense
    float32 delta on a device. Computed one at a time, so that a fusion never holds all of them. `key` names the operand
    by content."""

    strength: float
    compute: Mapping[str, Callable[[torch.device], torch.Tensor]]
    key: str = ""


def overlay(
    base: Callable[[str], torch.Tensor],
    operands: tuple[Deltas, ...],
    kernel: Kernel,
    settings: Mapping[str, object],
    dtype: torch.dtype,
    device: torch.device,
    done: Callable[[int], None] = lambda count: None,
) -> dict[str, torch.Tensor]:
    """The tensors that a fusion changes: float32 arithmetic on the device, then one cast to `dtype`.

    `base` gives a base tensor by canonical name. The kernel is called once for each tensor that at least one
    operand touches, in the order of their names.
    """
    touched = sorted({name for operand in operands for name in operand.compute})
    changed: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        for count, name in enumerate(touched):
            present = [operand for operand in operands if name in operand.compute]
            deltas = [operand.compute[name](device) for operand in present]
            original = base(name).to(device=device, dtype=torch.float32)
            strengths = [operand.strength for operand in present]
            keys = [f"{name}:{operand.key}" for operand in present]
            result = kernel(original, deltas, strengths, keys, **settings)
            changed[name] = result.to(dtype)
            done(count + 1)
    return changed
