"""What locked plans emit, by digest: made when they are locked, made again when they are verified."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mosaic.compiler.program import Program
from mosaic.lock.document import Lock
from mosaic.lock.making import Made
from mosaic.lock.toolchain import threads
from mosaic.project import DeviceName, engine


@dataclass(frozen=True)
class Emission:
    """Digests of what a program emitted, by name, and on what it was computed."""

    files: dict[str, str]
    machine: dict[str, str]


def record(lock: Lock, made: Made, device: DeviceName = "auto") -> Lock:
    """The lock with the digests of what its plans emit on this machine. Raises MosaicError."""
    emissions = {plan.key: emit(program, device) for plan, program in made.programs}
    plans = tuple(replace(plan, outputs=emissions[plan.key].files) for plan in lock.plans)
    machines = [emission.machine for emission in emissions.values()]
    return replace(lock, plans=plans, recorded=machines[0])


def emit(program: Program, device: DeviceName = "auto") -> Emission:
    """Run a program in a folder of its own. Raises MosaicError."""
    with TemporaryDirectory(prefix="mosaic-") as folder:
        result = engine(device=device).run(program, Path(folder))
    files = dict(sorted((file.name, file.sha256) for file in result.emitted))
    machine = {"device": result.device, "dtype": result.dtype, "threads": str(threads())}
    return Emission(files, machine)
