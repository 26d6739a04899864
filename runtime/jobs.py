"""The programs of an invocation, with what becomes of each instruction, and the files that it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    Program,
)
from mosaic.runtime.execute import Executor, label
from mosaic.runtime.origin import Origin
from mosaic.runtime.outputs import Emitted
from mosaic.runtime.results import RunResult, Timing
from mosaic.runtime.wiring import Wiring, wired

if TYPE_CHECKING:
    from mosaic.runtime.engine import Engine


@dataclass
class Job(Wiring):
    """One program of an invocation, with what became of its instructions."""

    folder: Path
    executor: Executor
    sources: list[Origin] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    emitted: list[Emitted] = field(default_factory=list)
    batched: list[str] = field(default_factory=list)
    elapsed: float = 0.0

    @classmethod
    def of(cls, engine: Engine, program: Program, folder: Path, facts: Mapping[str, str]) -> Job:
        """A verified program, not yet run. `facts` are the engine's numerics."""
        job = cls(**wired(program, facts), folder=folder, executor=Executor(engine, program))
        count = len(job.operations)
        job.sources = [Origin.UNUSED] * count
        job.seconds = [0.0] * count
        return job

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
