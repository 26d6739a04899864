"""What an invocation keeps of its models, within a limit of bytes.

A model is kept from when it is made to its last use. Where that is more than the limit, the one whose next use lies
furthest ahead goes first (Belady 1966, A study of replacement algorithms for a virtual-storage computer): all uses are
known before the first instruction runs. It is made again when its turn comes, of the same things, so to the bit the
same. Texts, latents and pictures stay: they are small beside what making them again costs.

A model stays as long as one that was made of it: letting it go would free nothing, and what two models have in common
is one object in memory, which an operator on predictions asks once.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Final

import torch
from torch import nn

from mosaic.runtime.devices import Device
from mosaic.runtime.values import Base, Mix, Model, Turn, Value, leaves

if TYPE_CHECKING:
    from mosaic.runtime.jobs import Job

_SHARE: Final = 0.5
"""How much of the device's memory the models of an invocation may take, unless the caller says otherwise."""


def room(device: Device) -> int:
    """How many bytes an invocation keeps on a device unless it is told a number."""
    if device.name == "cuda":
        return int(_SHARE * torch.cuda.get_device_properties(0).total_memory)
    return int(_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


@dataclass
class Schedule:
    """In which order instructions will probably be run: the place of each value's making, and those of its uses."""

    places: dict[str, int] = field(default_factory=dict)
    uses: dict[str, list[int]] = field(default_factory=dict)

    def next_use(self, key: str, now: int) -> float:
        """The place of a value's next use after one; infinite after the last."""
        uses = self.uses.get(key, [])
        found = bisect_right(uses, now)
        return uses[found] if found < len(uses) else inf


def schedule(jobs: Sequence[Job], computed: Collection[str]) -> Schedule:
    """The schedule of jobs that run in this order, and compute the values of these keys."""
    found = Schedule()
    now = 0
    for job in jobs:
        for made, _ in job.wanted():
            needed, compute = {made}, []
            for number in range(made, -1, -1):
                key = job.keys[number]
                if number in needed and key in computed and key not in found.places:
                    compute.append(number)
                    needed.update(job.inputs[number])
            for number in reversed(compute):
                found.places.setdefault(job.keys[number], now)
                for taken in job.inputs[number]:
                    found.uses.setdefault(job.keys[taken], []).append(now)
                now += 1
            found.uses.setdefault(job.keys[made], []).append(now)
            now += 1
    return found


class Kept:
    """The values of an invocation by key. Models are let go, and made again by who asks, beyond `limit` bytes.

    `evicted` counts what was let go before its last use.
    """

    def __init__(self, limit: int, schedule: Schedule) -> None:
        self._limit = limit
        self._schedule = schedule
        self._values: dict[str, Value] = {}
        self._parts: dict[str, frozenset[int]] = {}
        self._made_of: dict[str, frozenset[str]] = {}
        self._holders: Counter[int] = Counter()
        self._sizes: dict[int, int] = {}
        self._used = 0
        self._now = 0
        self.evicted = 0

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __getitem__(self, key: str) -> Value:
        return self._values[key]

    def values(self) -> Iterator[Value]:
        """All that is kept."""
        return iter(self._values.values())

    @property
    def used(self) -> int:
        """The bytes of all models that are kept."""
        return self._used

    def reach(self, key: str) -> None:
        """The value of this key is made now: what was used before is past."""
        self._now = max(self._now, self._schedule.places.get(key, 0))

    def put(self, key: str, value: Value, made_of: Sequence[str] = ()) -> None:
        """Keep a value that was made of others, whether these are kept or not; others make room for it."""
        self.drop(key)
        self._values[key] = value
        above = (self._made_of.get(each, frozenset()) for each in made_of)
        self._made_of[key] = frozenset(made_of).union(*above)
        if isinstance(value, Model | Turn | Mix):
            self._parts[key] = self._hold(value)
            self._make_room(key)

    def drop(self, key: str) -> None:
        """Let a value go."""
        self._values.pop(key, None)
        for part in self._parts.pop(key, ()):
            self._holders[part] -= 1
            if not self._holders[part]:
                del self._holders[part]
                self._used -= self._sizes.pop(part)

    def _hold(self, value: Model | Turn | Mix) -> frozenset[int]:
        """What a model holds in memory, by identity, each once."""
        parts = dict(_parts(value))
        for part, measure in parts.items():
            if part not in self._holders:
                self._sizes[part] = measure()
                self._used += self._sizes[part]
            self._holders[part] += 1
        return frozenset(parts)

    def _make_room(self, new: str) -> None:
        while self._used > self._limit:
            free = [key for key in self._parts if key != new and not self._is_below(key)]
            if not free:
                return  # all that is left is needed by what is being made
            self.drop(furthest(free, self._schedule, self._now))
            self.evicted += 1

    def _is_below(self, key: str) -> bool:
        """Whether a model that is kept was made of this one."""
        return any(key in self._made_of[other] for other in self._parts)


def furthest(keys: Sequence[str], schedule: Schedule, now: int) -> str:
    """Of several values the one whose next use lies furthest ahead; of equals the one that was kept last."""
    return max(reversed(keys), key=lambda key: schedule.next_use(key, now))


def _parts(tree: Model | Turn | Mix) -> Iterator[tuple[int, Callable[[], int]]]:
    """What a model holds in memory, by identity, each with what counts its bytes. What several models have in common is
    met in each."""
    for leaf in leaves(tree):
        yield id(leaf.base), partial(_bytes_of_base, leaf.base)
        for overlay in leaf.overlay.stack():
            yield id(overlay), partial(getattr, overlay, "nbytes")
        for each in leaf.beside:
            yield id(each.adapter), partial(getattr, each.adapter, "nbytes")
        if leaf.vae is not leaf.base.vae:
            yield id(leaf.vae.module), partial(_bytes_of, leaf.vae.module)


def _bytes_of_base(base: Base) -> int:
    networks = (base.unet.module, base.text_encoder.module, base.vae.module)
    parameters = [parameter for network in networks for parameter in network.parameters()]
    return _bytes([*parameters, *base.stored.values()])


def _bytes_of(module: nn.Module) -> int:
    return _bytes(module.parameters())


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    """The memory of tensors; those that share it count once."""
    return sum({each.data_ptr(): each.nbytes for each in tensors}.values())
