"""Low-rank changes beside the layers: several models of one base in one batch.

Rows of a batch share the base's weights; each adds the products of its own factors (`up · down · x`) to what a layer
gives. So LoRAs that each predict alone cost one call, with as many rows as there are LoRAs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from mosaic.runtime.weights import Component, Factors


@dataclass(frozen=True, eq=False)
class Adapter:
    """One LoRA beside a denoiser's layers: its factors by canonical tensor name. Compared by identity; `key` names its
    content."""

    factors: Mapping[str, Factors]
    key: str = ""

    @property
    def nbytes(self) -> int:
        """How much memory the factors take."""
        return sum(factors.nbytes for factors in self.factors.values())


@dataclass(frozen=True)
class Beside:
    """An adapter at a strength."""

    adapter: Adapter
    strength: float


def fits(module: nn.Module) -> bool:
    """Whether a layer can have products beside it."""
    return isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1)


@contextmanager
def beside(component: Component, rows: Sequence[tuple[Beside, ...]]) -> Iterator[nn.Module]:
    """The denoiser with each row of a batch changed by adapters of its own, until the block is left."""
    uses: dict[str, list[tuple[Factors, torch.Tensor, torch.Tensor]]] = {}
    adapters = dict.fromkeys(each.adapter for row in rows for each in row)
    device = next(component.module.parameters()).device
    for adapter in adapters:
        strengths = [sum(each.strength for each in row if each.adapter is adapter) for row in rows]
        chosen = torch.tensor([i for i, strength in enumerate(strengths) if strength], device=device)
        scales = torch.tensor([strength for strength in strengths if strength], device=device)
        for name, factors in adapter.factors.items():
            uses.setdefault(name, []).append((factors, chosen, scales))
    handles = []
    try:
        for name, found in uses.items():
            handles.append(component.layer(name).register_forward_hook(_Adding(found)))
        yield component.module
    finally:
        for handle in handles:
            handle.remove()


class _Adding:
    """A forward hook that adds products to some rows of a layer's output."""

    def __init__(self, uses: Sequence[tuple[Factors, torch.Tensor, torch.Tensor]]) -> None:
        self._uses = uses

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        given: torch.Tensor = args[0]
        for factors, rows, scales in self._uses:
            added = _product(module, factors, given[rows])
            scaled = (scales * factors.scale).to(added.dtype).view(-1, *(1,) * (added.ndim - 1))
            # The output is the layer's own new tensor: nobody else has seen it.
            output.index_add_(0, rows, added * scaled)
        return output


def _product(module: nn.Module, factors: Factors, given: torch.Tensor) -> torch.Tensor:
    if isinstance(module, nn.Linear):
        return F.linear(F.linear(given, factors.down.flatten(1)), factors.up.flatten(1))
    assert isinstance(module, nn.Conv2d)
    spread = factors.down
    if factors.mid is not None:
        given, spread = F.conv2d(given, factors.down), factors.mid
    inner = F.conv2d(given, spread, None, module.stride, module.padding, module.dilation)
    return F.conv2d(inner, factors.up)
