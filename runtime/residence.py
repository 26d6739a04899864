"""Where networks lie while they do not compute: on the device, or in main memory until it is their turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn


class Residence:
    """Networks lie on the device for good; what is worn lies there too."""

    def tensors(
        self, module: nn.Module, worn: Mapping[nn.Parameter, torch.Tensor]
    ) -> Iterable[tuple[nn.Parameter, torch.Tensor]]:
        """What parameters of a network have to point at while it computes; the others stay as they are."""
        return worn.items()


class Offloaded(Residence):
    """Networks lie in main memory. One of them is on the device: the one that computed last.

    Weights are never written to, so nothing is brought back: what is on the device are copies, which are let go when
    another network's turn comes. A network that computes again without another in between is not moved, and one that
    computes in other clothes only as far as these differ. `bring` copies a tensor to the device.
    """

    def __init__(self, bring: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._bring = bring
        self._here: dict[tuple[object, ...], tuple[torch.Tensor, torch.Tensor]] = {}

    def tensors(
        self, module: nn.Module, worn: Mapping[nn.Parameter, torch.Tensor]
    ) -> Iterable[tuple[nn.Parameter, torch.Tensor]]:
        """Copies on the device of all that a network computes with."""
        wanted = [(parameter, worn.get(parameter, parameter.data)) for parameter in module.parameters()]
        # What goes, goes first: two networks are never there together.
        keys = {_key(tensor) for _, tensor in wanted}
        self._here = {key: known for key, known in self._here.items() if key in keys}
        return [(parameter, self._copy(tensor)) for parameter, tensor in wanted]

    def _copy(self, tensor: torch.Tensor) -> torch.Tensor:
        key = _key(tensor)
        if key not in self._here:
            # The original is held, so that its memory is not given to another tensor.
            self._here[key] = (tensor, self._bring(tensor))
        return self._here[key][1]


HERE = Residence()


def _key(tensor: torch.Tensor) -> tuple[object, ...]:
    """Which memory a tensor is, read how."""
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype


@contextmanager
def computing(
    module: nn.Module, residence: Residence, worn: Mapping[nn.Parameter, torch.Tensor] | None = None
) -> Iterator[nn.Module]:
    """A network ready to compute, with other tensors in place of some parameters', until the block is left, however it
    is left."""
    kept: list[tuple[nn.Parameter, torch.Tensor]] = []
    try:
        for parameter, tensor in residence.tensors(module, worn or {}):
            kept.append((parameter, parameter.data))
            parameter.data = tensor
        yield module
    finally:
        for parameter, tensor in reversed(kept):
            parameter.data = tensor
