"""mosaic: a declarative plan compiler and runtime for composing many expert image models.

    import mosaic

    compiled = mosaic.compile("examples/alley.mosaic", seed=3)
    print(compiled.programs[0].digest)
    mosaic.run("examples/alley.mosaic", output="out", seed=3)

The three functions are the command line's `check`, `plan` and `run` for Python code: they ask the same catalog and keep
to the same `mosaic.lock`. Importing this package
imports nothing else; the stages live in `mosaic.compiler`, the engine in `mosaic.runtime`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    from mosaic.compiler import Compiled
    from mosaic.compiler.diagnostic import Diagnostic
    from mosaic.project import DeviceName
    from mosaic.runtime.results import RunResult

__version__ = "0.1.0.dev0"
__all__ = ["__version__", "check", "compile", "run"]


def check(path: str | os.PathLike[str]) -> tuple[Diagnostic, ...]:
    """Everything that is wrong with a plan file, in the order of the text.

    Raises MosaicError where the file cannot be read.
    """
    from mosaic.lock.projects import LockedProject
    from mosaic.project import read

    with LockedProject() as project:
        return project.check(read(path))


def compile(path: str | os.PathLike[str], *, plan: str | None = None, **parameters: object) -> Compiled:
    """Compile the plans of a file (or the one named `plan`) with parameters set.

    Raises MosaicError with every diagnostic where the file has errors.
    """
    from mosaic.lock.projects import LockedProject
    from mosaic.project import read

    with LockedProject() as project:
        return project.compile(read(path), plan=plan, parameters=parameters)


def run(
    path: str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] = ".",
    device: DeviceName = "auto",
    plan: str | None = None,
    batch: int | None = None,
    offload: bool = False,
    **parameters: object,
) -> tuple[RunResult, ...]:
    """Compile a file and run its plans, writing what they emit under `output`. Needs the `run` extra.

    Of a file with several plans, each writes into a folder of its name, as with the command line. With `batch`, runs of
    one model denoise together, at most so many rows in one call; they are the same only up to floating point. With
    `offload` networks wait in main memory and are on the device one at a time: the same to the bit.

    Raises MosaicError with every diagnostic where the file has errors, cannot be run, or does not fit into the memory
    of the device.
    """
    from dataclasses import replace
    from pathlib import Path

    from mosaic.compiler.cost.manner import ROWS_AT_ONCE, Manner
    from mosaic.compiler.fit import has_room
    from mosaic.lock.projects import LockedProject
    from mosaic.profiles import room_of
    from mosaic.project import engine, read

    source, manner = read(path), Manner(batch or ROWS_AT_ONCE, offload)
    with LockedProject(manner=manner) as project:
        compiled, context = project.compile(source, plan=plan, parameters=parameters), project.context(source)
    if batch is not None:
        manner = replace(manner, runs=len(compiled.programs))
        context = replace(context, manner=manner)
    worker = engine(device=device, batch=batch, offload=offload)
    room = room_of(worker.device, context.profile)
    with project:  # what experts do is asked of the catalog again
        fits = all(has_room(graph, context, room) for graph in compiled.graphs)
    if not fits:
        with LockedProject(manner=manner, room=room) as project:
            compiled = project.compile(source, plan=plan, parameters=parameters)
    programs = compiled.programs
    folders = [Path(output, program.source.plan if len(programs) > 1 else "") for program in programs]
    return tuple(worker.run_all(programs, folders))
