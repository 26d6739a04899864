"""How the instructions of a program hang together by content: whose results each takes, and which stand for one value.

Needs no torch: a run goes by it, and so does a forecast of what a run would find in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mosaic.compiler.program import Emit, Fuse, LoadImage, LoadModel, Operation, Program
from mosaic.runtime.keys import keys, narrowed
from mosaic.runtime.verify import gives, takes

_CACHED = ("latent", "image")
"""The types of what is kept from one invocation to the next. A picture that is read from a file is at hand anyway."""


@dataclass
class Wiring:
    """A verified program by its keys.

    `inputs` are the instructions whose results each takes, `made` says which instruction makes a value; of instructions
    with equal keys the first stands for all.
    """

    program: Program
    operations: Sequence[Operation]
    keys: Sequence[str]
    inputs: Sequence[tuple[int, ...]]
    first: dict[str, int]
    made: dict[int, int]

    def wanted(self) -> Iterator[tuple[int, int]]:
        """What the program is for: instructions whose results are written, each with the one that writes, in order.

        A result that nothing reads is wanted too, and stands for itself: a compiled program has none, and what is
        written by hand is not passed over.
        """
        read = {value for each in self.program.instructions for value, _ in takes(each.operation)}
        for number, instruction in enumerate(self.program.instructions):
            if isinstance(instruction.operation, Emit):
                yield self.inputs[number][0], number
            elif instruction.result not in read:
                yield self.first[self.keys[number]], number

    def taken(self, number: int) -> dict[int, str]:
        """The keys of the values that an instruction takes."""
        return {value: self.keys[self.made[value]] for value, _ in takes(self.operations[number])}

    def is_cached(self, number: int) -> bool:
        """Whether an instruction's result is kept from one invocation to the next."""
        operation = self.operations[number]
        return gives(operation) in _CACHED and not isinstance(operation, LoadImage)


def wired(program: Program, facts: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a program's `Wiring`. `facts` are the numerics that its keys are made with."""
    operations = narrowed(program)
    found = keys(program, operations, facts)
    first: dict[str, int] = {}
    for number, key in enumerate(found):
        first.setdefault(key, number)
    made = {each.result: first[key] for each, key in zip(program.instructions, found, strict=True)}
    inputs = [tuple(dict.fromkeys(made[value] for value, _ in takes(operation))) for operation in operations]
    return {
        "program": program,
        "operations": operations,
        "keys": found,
        "inputs": inputs,
        "first": first,
        "made": made,
    }


_W = TypeVar("_W", bound=Wiring)


def grouped(programs: Sequence[_W]) -> list[_W]:
    """Programs in an order in which few models are loaded and fused twice.

    Those with the same checkpoints follow one another, and among them those with the same fusions; otherwise they stay
    in their order.
    """
    loads: dict[tuple[str, ...], int] = {}
    fusions: dict[tuple[str, ...], int] = {}

    def rank(each: Wiring) -> tuple[int, int]:
        made = list(zip(each.operations, each.keys, strict=True))
        loaded = tuple(sorted({key for operation, key in made if isinstance(operation, LoadModel)}))
        fused = tuple(key for operation, key in made if isinstance(operation, Fuse))
        return loads.setdefault(loaded, len(loads)), fusions.setdefault(fused, len(fusions))

    return sorted(programs, key=rank)
