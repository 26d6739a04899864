"""What a run would find in the cache, told without running: where the result of each instruction would come from.

Only a forecast: what is damaged, or goes before the run, is computed after all. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mosaic.compiler.program import Emit, Program
from mosaic.runtime.origin import Origin
from mosaic.runtime.wiring import Wiring, grouped, wired


def forecast(
    programs: Sequence[Program], facts: Mapping[str, str], has: Callable[[str], bool]
) -> list[tuple[Origin, ...]]:
    """For each of several verified programs that are run together, the origin of every instruction's result.

    `facts` are the engine's numerics, `has` says whether there is an entry under a key. A run that takes up where
    another one of the same command stops counts as computed.
    """
    wirings = [Wiring(**wired(program, facts)) for program in programs]
    found: dict[int, tuple[Origin, ...]] = {}
    at_hand: set[str] = set()
    for wiring in grouped(wirings):
        found[id(wiring)] = tuple(_origins(wiring, has, at_hand))
    return [found[id(wiring)] for wiring in wirings]


def _origins(wiring: Wiring, has: Callable[[str], bool], at_hand: set[str]) -> list[Origin]:
    """The origins in one program. What it has at hand in the end is added to what is."""
    origins = [Origin.UNUSED] * len(wiring.keys)
    for made, number in wiring.wanted():
        _need(wiring, made, origins, has, at_hand)
        if isinstance(wiring.operations[number], Emit):
            origins[number] = Origin.COMPUTED
    for number, key in enumerate(wiring.keys):
        first, is_emit = wiring.first[key], isinstance(wiring.operations[number], Emit)
        if first != number and not is_emit and origins[first] is not Origin.UNUSED:
            origins[number] = Origin.SHARED
    return origins


def _need(
    wiring: Wiring, target: int, origins: list[Origin], has: Callable[[str], bool], at_hand: set[str]
) -> None:
    """Have the result of an instruction at hand, with all that this takes."""
    needed = {target}
    for number in range(target, -1, -1):
        key = wiring.keys[number]
        if number not in needed:
            continue
        if key in at_hand:
            if origins[number] is Origin.UNUSED:
                origins[number] = Origin.SHARED
            continue
        at_hand.add(key)
        if wiring.is_cached(number) and has(key):
            origins[number] = Origin.CACHE
        else:
            origins[number] = Origin.COMPUTED
            needed.update(wiring.inputs[number])
