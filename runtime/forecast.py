"""What a run would find in the cache, told without running: where the result of each instruction would come from.

The steps are those of `invocation.py`, without a value. Only a forecast: what is damaged or gone when it is read is
computed after all, and so is a model that had to be let go between two programs. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mosaic.compiler.program import Denoise, Emit, Fuse, LoadModel, Program, Resume
from mosaic.runtime.ends import Ends, told
from mosaic.runtime.origin import Origin
from mosaic.runtime.wiring import Wiring, grouped, wired


def forecast(
    programs: Sequence[Program], facts: Mapping[str, str], has: Callable[[str], bool]
) -> list[tuple[Origin, ...]]:
    """For each of several verified programs that are run together, the origin of every instruction's result.

    `facts` are the engine's numerics, `has` says whether there is an entry under a key.
    """
    wirings = [Wiring(**wired(program, facts)) for program in programs]
    steps = _Forecast(has)
    order = grouped(wirings)
    for wiring in order:
        steps.plan(wiring)
    found = {id(wiring): tuple(steps.run(wiring)) for wiring in order}
    return [found[id(wiring)] for wiring in wirings]


@dataclass
class _Forecast:
    """What is at hand, and what is to be computed, as programs run one after the other."""

    has: Callable[[str], bool]
    at_hand: set[str] = field(default_factory=set)
    planned: set[str] = field(default_factory=set)
    ends: Ends = field(default_factory=Ends)
    _seen: set[str] = field(default_factory=set)

    def plan(self, wiring: Wiring) -> None:
        """What will be computed of a program; all are looked at before the first runs."""
        needed = {made for made, _ in wiring.wanted()}
        for number in range(len(wiring.keys) - 1, -1, -1):
            key = wiring.keys[number]
            if number not in needed or key in self._seen:
                continue
            self._seen.add(key)
            if self._is_cached(wiring, number):
                continue
            self.planned.add(key)
            needed.update(wiring.inputs[number])
            operation = wiring.operations[number]
            if isinstance(operation, Denoise | Resume):
                self.ends.note(told(operation, wiring.taken(number)), operation.until, key)

    def run(self, wiring: Wiring) -> list[Origin]:
        """The origins in one program. What it has at hand in the end stays so."""
        origins = [Origin.UNUSED] * len(wiring.keys)
        for made, number in wiring.wanted():
            self._ensure(wiring, made, origins)
            if isinstance(wiring.operations[number], Emit):
                origins[number] = Origin.COMPUTED
        for number, key in enumerate(wiring.keys):
            first, is_emit = wiring.first[key], isinstance(wiring.operations[number], Emit)
            if first != number and not is_emit and origins[first] is not Origin.UNUSED:
                origins[number] = Origin.SHARED
        return origins

    def _ensure(self, wiring: Wiring, target: int, origins: list[Origin]) -> None:
        """Have the result of an instruction at hand, with all that this takes."""
        needed, compute = {target}, []
        for number in range(target, -1, -1):
            if number not in needed:
                continue
            key = wiring.keys[number]
            if key in self.at_hand:
                if origins[number] is Origin.UNUSED:
                    origins[number] = Origin.SHARED
            elif self._is_cached(wiring, number):
                self.at_hand.add(key)
                origins[number] = Origin.CACHE
            else:
                compute.append(number)
                needed.update(wiring.inputs[number])
        self.planned.difference_update(wiring.keys[number] for number in compute)
        for number in reversed(compute):
            self._begin(wiring, number)
            self.at_hand.add(wiring.keys[number])
            origins[number] = Origin.COMPUTED

    def _begin(self, wiring: Wiring, number: int) -> None:
        """Shorter runs that are told the same are taken first where they are to be taken at all."""
        operation = wiring.operations[number]
        if not isinstance(operation, Denoise | Resume) or len(_spaces(wiring, operation.model)) > 1:
            return
        what, until = told(operation, wiring.taken(number)), operation.until
        while (shorter := self.ends.before(what, until)) is not None:
            until, key = shorter
            if key in self.at_hand or key not in self.planned:
                return
            self.planned.discard(key)
            self.at_hand.add(key)

    def _is_cached(self, wiring: Wiring, number: int) -> bool:
        return wiring.is_cached(number) and self.has(wiring.keys[number])


def _spaces(wiring: Wiring, value: int) -> set[str]:
    """The latent spaces that a model's run goes through. A checkpoint without a stated one has one of its own."""
    experts, open_, found = wiring.program.experts, [value], set[str]()
    while open_:
        operation = wiring.operations[wiring.made[open_.pop()]]
        loaded = []
        if isinstance(operation, LoadModel):
            loaded = [operation.expert]
        elif isinstance(operation, Fuse):
            open_ += [operation.model, *(each.model for each in operation.operands if each.model is not None)]
            loaded = [each.expert for each in operation.operands if each.expert is not None]
        for expert in (experts[index] for index in loaded):
            if expert.kind == "checkpoint":
                found.add(expert.latent_space or expert.id)
    return found
