"""Several programs run as one: every value is made once, when something needs it, and kept as long as it is needed.

Work goes backwards from what is to be written. A value that is at hand (made for another program of the invocation, or
in the cache) needs none of its inputs; so where all pictures are in the cache no model is loaded, and none of its files
is read. Equal values are found by their keys, whatever plans they come from.

All uses are known before the first instruction runs, so a value is let go right after its last one.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.compiler.program import (
    Align,
    CombinePrompts,
    Decode,
    Denoise,
    Emit,
    EncodeImage,
    File,
    Fuse,
    LoadImage,
    LoadModel,
    Mask,
    Operation,
    Program,
    Resume,
)
from mosaic.runtime.execute import Executor, label
from mosaic.runtime.keys import keys, narrowed
from mosaic.runtime.origin import Origin
from mosaic.runtime.outputs import Emitted
from mosaic.runtime.prefixes import STANDS, Ends, crosses, left, rest, told
from mosaic.runtime.results import RunResult, Timing
from mosaic.runtime.values import Image, Latent, Value
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


class Invocation:
    """Runs jobs. They are verified; the files that they need are verified here."""

    def __init__(self, engine: Engine, jobs: Sequence[Job]) -> None:
        self._engine = engine
        self._store = engine.store
        self._jobs = grouped(jobs)
        self._values: dict[str, Value] = {}
        self._uses: Counter[str] = Counter()
        self._planned: set[str] = set()  # keys of what is to be computed
        self._settled: set[str] = set()  # keys of models whose weights something computes with
        self._ends = Ends()
        self._version = engine.versions()["mosaic"]

    def run(self) -> None:
        """Run all jobs. Raises MosaicError."""
        seen: set[str] = set()
        needed = [(job, number) for job in self._jobs for number in self._plan(job, seen)]
        for key in self._ends.continued():
            self._uses[key] += 1
        reader = self._engine.reader
        reader.verify(file for job, number in needed for file in _files(job, number))
        for job in self._jobs:
            started = time.perf_counter()
            for made, number in job.wanted():
                self._ensure(job, made)
                operation = job.operations[number]
                if isinstance(operation, Emit):
                    self._write(job, number, operation, job.keys[made])
                self._release(job.keys[made])
            job.elapsed = time.perf_counter() - started

    def _plan(self, job: Job, seen: set[str]) -> list[int]:
        """Look ahead: which instructions of a job will be computed, and how often each value will be used.

        Only a forecast: what is damaged or gone when it is read is computed after all.
        """
        needed: set[int] = set()
        for made, _ in job.wanted():
            needed.add(made)
            self._uses[job.keys[made]] += 1
        computed = []
        for number in range(len(job.operations) - 1, -1, -1):
            key = job.keys[number]
            if number not in needed or key in seen:
                continue
            seen.add(key)
            if job.is_cached(number) and self._store is not None and self._store.has(key):
                continue
            computed.append(number)
            self._planned.add(key)
            needed.update(job.inputs[number])
            self._use(job, number)
            operation = job.operations[number]
            if isinstance(operation, Denoise | Resume):
                self._ends.note(told(operation, job.taken(number)), operation.until, key)
        return computed

    def _use(self, job: Job, number: int) -> None:
        """Count what an instruction takes as used once more."""
        for taken in job.inputs[number]:
            self._uses[job.keys[taken]] += 1
            # Codecs are not fused: what only they are asked of is never worked out.
            if not isinstance(job.operations[number], Decode | EncodeImage | Align):
                self._settled.add(job.keys[taken])

    def _ensure(self, job: Job, target: int) -> None:
        """Have the result of an instruction at hand: as it is, from the cache, or computed with all that it needs."""
        needed, compute = {target}, []
        for number in range(target, -1, -1):
            if number not in needed or self._is_at_hand(job, number):
                continue
            compute.append(number)
            needed.update(job.inputs[number])
        for number in compute:
            if job.keys[number] not in self._planned:
                self._use(job, number)  # it was thought to be at hand
            self._planned.discard(job.keys[number])
        for number in reversed(compute):
            self._compute(job, number)

    def _is_at_hand(self, job: Job, number: int) -> bool:
        key = job.keys[number]
        if key in self._values:
            if job.sources[number] is Origin.UNUSED:
                job.sources[number] = Origin.SHARED
            return True
        if self._store is None or not job.is_cached(number):
            return False
        started = time.perf_counter()
        value = self._store.get(key)
        if not isinstance(value, Latent | Image) or (gives(job.operations[number]) == "image") != isinstance(
            value, Image
        ):
            return False
        self._values[key] = value
        job.sources[number] = Origin.CACHE
        job.seconds[number] += time.perf_counter() - started
        return True

    def _compute(self, job: Job, number: int) -> None:
        started = time.perf_counter()
        operation, key = job.operations[number], job.keys[number]
        taken = {value: self._values[key] for value, key in job.taken(number).items()}
        if isinstance(operation, Denoise | Resume):
            value = self._run(job, number, operation, taken)
        else:
            value = job.executor.execute(operation, taken, key, settle=key in self._settled)
        self._values[key] = value
        del taken
        if self._store is not None and job.is_cached(number) and isinstance(value, Latent | Image):
            self._store.put(key, value)
        for each in job.inputs[number]:
            self._release(job.keys[each])
        job.sources[number] = Origin.COMPUTED
        job.seconds[number] += time.perf_counter() - started

    def _run(self, job: Job, number: int, operation: Denoise | Resume, taken: dict[int, Value]) -> Value:
        """Take a run, from where a shorter one ended that is told the same; that one is taken first where it is to be
        taken at all."""
        shorter = self._ends.before(told(operation, job.taken(number)), operation.until)
        if shorter is None or crosses(taken[operation.model]):
            return job.executor.execute(operation, taken, "", settle=False)
        until, key = shorter
        if key not in self._values:
            if key not in self._planned:
                return job.executor.execute(operation, taken, "", settle=False)
            self._planned.discard(key)
            begun = self._run(job, number, operation.model_copy(update={"until": until}), taken)
            self._values[key] = begun
            if self._store is not None and isinstance(begun, Latent):
                self._store.put(key, begun)
            for each in job.inputs[number]:
                self._release(job.keys[each])  # the shorter one takes the same
        value = self._values[key]
        if left(operation, value):
            value = job.executor.execute(rest(operation), {**taken, STANDS: value}, "", settle=False)
        self._release(key)
        return value

    def _write(self, job: Job, number: int, operation: Emit, key: str) -> None:
        started = time.perf_counter()
        job.emitted.append(job.executor.write(operation, self._values[key], job.folder, self._version))
        job.sources[number] = Origin.COMPUTED
        job.seconds[number] = time.perf_counter() - started

    def _release(self, key: str) -> None:
        self._uses[key] -= 1
        if self._uses[key] <= 0:
            self._values.pop(key, None)


def _files(job: Job, number: int) -> Iterator[File]:
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
