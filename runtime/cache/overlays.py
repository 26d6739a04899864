"""What an operator made of a model's weights, kept where making it takes long and it is small.

A weighted sum is as quick to compute as to read. Operators that sort, vote or draw for every number of every tensor are
not: what they gave is kept under the key of the fusion, if it took so long here and is no larger than so much. How long
it took decides only whether it is kept, never what is computed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import torch

from mosaic.runtime.cache.tiers import Overlays, Store
from mosaic.runtime.values import Model, Tree, leaves

DEAR: Final = 1.0
"""Seconds."""
SMALL: Final = 512 << 20
"""Bytes."""


def work_out(
    tree: Tree, into: Tree, store: Store, key: str, done: Callable[[int], None], *, dear: float = DEAR
) -> None:
    """Have the tensors that a fusion `into` a model changes, from the store, or computed and perhaps kept."""
    made = list(_made(tree, into))
    known = store.get(key)
    kept = known.leaves if isinstance(known, Overlays) else ()
    if len(kept) == len(made) and all(map(_filled, made, kept)):
        return
    started = time.perf_counter()
    for leaf in made:
        leaf.overlay.settle(done)
    if time.perf_counter() - started < dear:
        return
    found = Overlays(tuple(leaf.overlay.own() for leaf in made))
    if found.nbytes <= SMALL:
        store.put(key, found)


def _filled(leaf: Model, kept: Mapping[str, torch.Tensor]) -> bool:
    home = leaf.base.device.home
    return leaf.overlay.fill({name: tensor.to(home) for name, tensor in kept.items()})


def _made(tree: Tree, into: Tree) -> Iterator[Model]:
    """The leaves that a fusion made, each once, always in the same order."""
    known = {id(leaf) for leaf in leaves(into)}
    for leaf in leaves(tree):
        if id(leaf) not in known:
            known.add(id(leaf))
            yield leaf
