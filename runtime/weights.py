"""Weights by reference: a fused model is its base plus an overlay of the tensors that changed.

Nothing is ever added to or subtracted from a base's tensors. While a fused model computes, the parameters
that its overlay names point at the overlay's tensors; afterwards they point at the base's again. So
switching between looks costs no arithmetic and leaves no rounding behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial

import torch
from torch import nn

from mosaic.compiler.weights.adapter_keys import canonical
from mosaic.runtime.lowrank import recompress, truncate
from mosaic.runtime.residence import HERE, Residence, computing


@dataclass(frozen=True)
class Component:
    """A network of a base (`unet`, `text_encoder`) and where its canonical tensor names lie in the module.

    Canonical names begin with the component: `unet.conv_in.weight`.
    """

    name: str
    module: nn.Module
    parameters: Mapping[str, str]
    residence: Residence = field(default=HERE, repr=False)
    _layers: dict[str, nn.Module] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, name: str, module: nn.Module, residence: Residence = HERE) -> Component:
        """Name every parameter of a module canonically."""
        names = {canonical(f"{name}.{inner}"): inner for inner, _ in module.named_parameters()}
        return cls(name, module, names, residence)

    @cached_property
    def slots(self) -> Mapping[str, nn.Parameter]:
        """The parameters themselves, by canonical name. They stay the same objects, whatever tensors they hold."""
        found = dict(self.module.named_parameters())
        return {name: found[inner] for name, inner in self.parameters.items()}

    def layer(self, name: str) -> nn.Module:
        """The layer that a tensor `….weight` belongs to."""
        if name not in self._layers:
            inner = self.parameters[name].removesuffix(".weight")
            self._layers[name] = self.module.get_submodule(inner)
        return self._layers[name]


@contextmanager
def wearing(component: Component, overlay: Mapping[str, torch.Tensor]) -> Iterator[nn.Module]:
    """The component's module with the overlay's tensors in place, until the block is left, however it is
    left.

    Names of other components are passed over. An overlay's tensor may have another shape than the base's (an
    embedding matrix with more rows).
    """
    slots = component.slots
    worn = {slots[name]: overlay[name] for name in overlay if name in slots}
    with computing(component.module, component.residence, worn) as module:
        yield module


@dataclass(frozen=True)
class Factors:
    """The factors of one changed matrix: `scale · up · (mid ·) down`.

    Of a linear layer `down` (rank, in) and `up` (out, rank); of a convolution `down` (rank, in, k, k) and `up`
    (out, rank, 1, 1), or with a Tucker core `down` (rank, in, 1, 1), `mid` (rank, rank, k, k).
    """

    down: torch.Tensor
    up: torch.Tensor
    mid: torch.Tensor | None
    scale: float

    def to(self, dtype: torch.dtype) -> Factors:
        """The same in another precision."""
        mid = None if self.mid is None else self.mid.to(dtype)
        return Factors(self.down.to(dtype), self.up.to(dtype), mid, self.scale)

    @property
    def nbytes(self) -> int:
        """How much memory they take."""
        return self.down.nbytes + self.up.nbytes + (0 if self.mid is None else self.mid.nbytes)

    def dense(self) -> torch.Tensor:
        """The product, (out, in, …), or (out, in · k · k) where the kernel lies in `down`."""
        up = self.up.flatten(1)
        if self.mid is None:
            product = up @ self.down.flatten(1)
        else:
            # A Tucker core carries the kernel's extent; its neighbours are 1×1 (LoCon).
            product = torch.einsum("or,rskl,si->oikl", up, self.mid, self.down.flatten(1))
        return product * self.scale


class Overlay(Mapping[str, torch.Tensor]):
    """The tensors that a fusion changes, by canonical name, on top of another overlay.

    A tensor is computed when it is asked for and not kept, so that a model which is only written out is never held
    whole, until `settle` computes them all.
    """

    def __init__(
        self,
        changed: Mapping[str, Callable[[], torch.Tensor]] | None = None,
        below: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        self._changed = dict(changed or {})
        self._below: Mapping[str, torch.Tensor] = below if below is not None else {}
        self._kept: dict[str, torch.Tensor] = {}

    def __getitem__(self, name: str) -> torch.Tensor:
        if name in self._kept:
            return self._kept[name]
        return self._changed[name]() if name in self._changed else self._below[name]

    def __contains__(self, name: object) -> bool:
        return name in self._changed or name in self._below

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys((*self._below, *self._changed))

    def __len__(self) -> int:
        return len(self._below.keys() | self._changed.keys())

    def own(self) -> Mapping[str, torch.Tensor]:
        """The tensors that this fusion changes, without those below; computed where they are not yet."""
        return {name: self[name] for name in self._changed}

    @property
    def nbytes(self) -> int:
        """How much memory the tensors take that are computed and kept, without those below."""
        return sum(tensor.nbytes for tensor in self._kept.values())

    def stack(self) -> Iterator[Overlay]:
        """This overlay and those below it."""
        yield self
        if isinstance(self._below, Overlay):
            yield from self._below.stack()

    def fill(self, tensors: Mapping[str, torch.Tensor]) -> bool:
        """Keep these as what `own` would compute. False, and nothing is kept, where they are of other names."""
        if isinstance(self._below, Overlay):
            self._below.settle()
        if tensors.keys() != self._changed.keys():
            return False
        self._kept.update(tensors)
        return True

    def settle(self, done: Callable[[int], None] = lambda count: None) -> Overlay:
        """Compute what is not computed yet and keep it. `done` hears how many tensors are."""
        if isinstance(self._below, Overlay):
            self._below.settle()
        for count, (name, compute) in enumerate(self._changed.items()):
            if name not in self._kept:
                self._kept[name] = compute()
            done(count + 1)
        return self


Kernel = Callable[..., torch.Tensor]


@dataclass(frozen=True)
class Deltas:
    """What one operand adds to a base: for each tensor that it touches, a function that computes the dense
    float32 delta on a device. Computed one at a time, so that a fusion never holds all of them. `key` names the operand
    by content; `factors` are those of the tensors whose delta is a product, float32 on a device.
    """

    strength: float
    compute: Mapping[str, Callable[[torch.device], torch.Tensor]]
    key: str = ""
    factors: Mapping[str, Callable[[torch.device], Factors]] = field(default_factory=dict)


@dataclass(frozen=True)
class Combine:
    """How a fusion computes one tensor: the operator's kernel with its settings, cut to a rank where one is wanted.

    `is_linear` says that the kernel is the weighted sum, so that products can be cut without being multiplied out.
    `lost` hears which part of the squared norm of a change was cut off, by tensor.
    """

    kernel: Kernel
    settings: Mapping[str, object]
    rank: int = 0
    is_linear: bool = False
    lost: Callable[[str, float], None] = lambda name, part: None

    def tensor(
        self,
        name: str,
        base: Callable[[str], torch.Tensor],
        operands: Sequence[Deltas],
        dtype: torch.dtype,
        device: torch.device,
    ) -> torch.Tensor:
        """The changed tensor: float32 arithmetic on the device, then one cast to `dtype`."""
        present = [operand for operand in operands if name in operand.compute]
        with torch.no_grad():
            original = base(name).to(device=device, dtype=torch.float32)
            cut = self._cut_products(name, original, present, device)
            if cut is None:
                cut = self._combined(name, original, present, device)
            return cut.to(dtype)

    def _combined(
        self, name: str, original: torch.Tensor, present: Sequence[Deltas], device: torch.device
    ) -> torch.Tensor:
        deltas = [operand.compute[name](device) for operand in present]
        strengths = [operand.strength for operand in present]
        keys = [f"{name}:{operand.key}" for operand in present]
        result = self.kernel(original, deltas, strengths, keys, **self.settings)
        if not self.rank or result.ndim < 2:
            return result
        kept, lost = truncate(result - original, self.rank)
        self.lost(name, lost)
        return original + kept

    def _cut_products(
        self, name: str, original: torch.Tensor, present: Sequence[Deltas], device: torch.device
    ) -> torch.Tensor | None:
        if not (self.rank and self.is_linear and all(name in operand.factors for operand in present)):
            return None
        found = [operand.factors[name](device) for operand in present]
        if any(factors.mid is not None for factors in found):
            return None
        scales = [factors.scale * operand.strength for factors, operand in zip(found, present, strict=True)]
        up, down, lost = recompress(
            [factors.up.flatten(1) for factors in found],
            [factors.down.flatten(1) for factors in found],
            scales,
            self.rank,
        )
        self.lost(name, lost)
        return original + (up @ down).reshape(original.shape)


def overlay(
    base: Callable[[str], torch.Tensor],
    below: Mapping[str, torch.Tensor],
    operands: tuple[Deltas, ...],
    combine: Combine,
    dtype: torch.dtype,
    device: torch.device,
    home: torch.device | None = None,
) -> Overlay:
    """The tensors that a fusion changes: all that at least one operand touches, in the order of their names.

    `base` gives a tensor of what is fused into, by canonical name; `below` is its overlay. They are computed on the
    device and lie at `home`, on the device unless given.
    """
    touched = sorted({name for operand in operands for name in operand.compute})

    def changed(name: str) -> torch.Tensor:
        return combine.tensor(name, base, operands, dtype, device).to(home or device)

    return Overlay({name: partial(changed, name) for name in touched}, below)
