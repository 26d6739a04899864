"""The programs of an invocation: what each is for, what its instructions take, and in which order programs run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.compiler.program import (
    Align,
    CombinePrompts,
    Emit,
    File,
    Fuse,
    LoadImage,
    LoadModel,
    Mask,
    Operation,
    Program,
)
from mosaic.runtime.execute import Executor, label
from mosaic.runtime.keys import keys, narrowed
from mosaic.runtime.origin import Origin
from mosaic.runtime.outputs import Emitted
from mosaic.runtime.results import RunResult, Timing
from mosaic.runtime.verify import gives, takes

if TYPE_CHECKING:
    from mosaic.runtime.engine import Engine

_CACHED = ("latent", "image")
"""The types of what is kept from one invocation to the next. A picture that is read from a file is at hand anyway."""


@dataclass
class Job:
    """One program of an invocation, with what became of its instructions.

    `inputs` are the instructions whose results each takes, `made` says which instruction makes a value; of instructions
    with equal keys the first stands for all.
    """

    program: Program
    folder: Path
    operations: Sequence[Operation]
    keys: Sequence[str]
    inputs: Sequence[tuple[int, ...]]
    executor: Executor
    first: dict[str, int]
    made: dict[int, int]
    sources: list[Origin] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    emitted: list[Emitted] = field(default_factory=list)
    batched: list[str] = field(default_factory=list)
    elapsed: float = 0.0

    @classmethod
    def of(cls, engine: Engine, program: Program, folder: Path, facts: Mapping[str, str]) -> Job:
        """A verified program, not yet run. `facts` are the engine's numerics."""
        operations = narrowed(program)
        found = keys(program, operations, facts)
        first: dict[str, int] = {}
        for number, key in enumerate(found):
            first.setdefault(key, number)
        made = {each.result: first[key] for each, key in zip(program.instructions, found, strict=True)}
        inputs = [
            tuple(dict.fromkeys(made[value] for value, _ in takes(operation))) for operation in operations
        ]
        count = len(operations)
        executor = Executor(engine, program)
        job = cls(program, folder, operations, found, inputs, executor, first, made)
        job.sources = [Origin.UNUSED] * count
        job.seconds = [0.0] * count
        return job

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

    def result(self, engine: Engine) -> RunResult:
        """What the run of it was."""
        for number, key in enumerate(self.keys):
            first, is_emit = self.first[key], isinstance(self.operations[number], Emit)
            if first != number and not is_emit and self.sources[first] is not Origin.UNUSED:
                self.sources[number] = Origin.SHARED
        timings = tuple(
            Timing(number, operation.op, label(self.program, operation), seconds, source)
            for number, (operation, seconds, source) in enumerate(
                zip(self.operations, self.seconds, self.sources, strict=True)
            )
        )
        return RunResult(
            program=self.program.digest,
            emitted=tuple(self.emitted),
            batched=tuple(self.batched),
            seconds=self.elapsed,
            evaluations=self.executor.meter.evaluations,
            rows=self.executor.meter.rows,
            truncations=self.executor.fusion.truncations(),
            timings=timings,
            keys=tuple(dict.fromkeys(self.executor.fusion.keys)),
            device=engine.device.name,
            dtype=engine.device.dtype_name,
            versions=engine.versions(),
        )


def files(job: Job, number: int) -> Iterator[File]:
    """The files that computing an instruction reads, masks of regions among them."""
    operation, program = job.operations[number], job.program
    experts: list[int] = []
    images: list[int] = []
    match operation:
        case LoadModel(expert=expert):
            experts = [expert]
        case Align(bridge=bridge) if bridge is not None:
            experts = [bridge]
        case LoadImage(file=file):
            images = [file]
        case Fuse(operands=operands, bridges=bridges):
            experts = [each.expert for each in operands if each.expert is not None]
            experts += [each.expert for each in bridges]
            images = [each.region.file for each in operands if isinstance(each.region, Mask)]
        case CombinePrompts(parts=parts):
            images = [each.region.file for each in parts if isinstance(each.region, Mask)]
    for index in experts:
        yield from program.experts[index].files
    yield from (program.images[index] for index in images)


def grouped(jobs: Sequence[Job]) -> list[Job]:
    """Jobs in an order in which few models are loaded and fused twice.

    Those with the same checkpoints follow one another, and among them those with the same fusions; otherwise they stay
    in their order.
    """
    loads: dict[tuple[str, ...], int] = {}
    fusions: dict[tuple[str, ...], int] = {}

    def rank(job: Job) -> tuple[int, int]:
        made = zip(job.operations, job.keys, strict=True)
        loaded = tuple(sorted({key for operation, key in made if isinstance(operation, LoadModel)}))
        made = zip(job.operations, job.keys, strict=True)
        fused = tuple(key for operation, key in made if isinstance(operation, Fuse))
        return loads.setdefault(loaded, len(loads)), fusions.setdefault(fused, len(fusions))

    return sorted(jobs, key=rank)
