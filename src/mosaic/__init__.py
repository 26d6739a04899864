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
    **parameters: object,
) -> tuple[RunResult, ...]:
    """Compile a file and run its plans, writing what they emit under `output`. Needs the `run` extra.

    Of a file with several plans, each writes into a folder of its name, as with the command line. With `batch`, runs of
    one model denoise together, at most so many rows in one call; they are the same only up to floating point.

    Raises MosaicError with every diagnostic where the file has errors or cannot be run.
    """
    from pathlib import Path

    from mosaic.project import engine

    programs = compile(path, plan=plan, **parameters).programs
    worker = engine(device=device, batch=batch)
    folders = [Path(output, program.source.plan if len(programs) > 1 else "") for program in programs]
    return tuple(worker.run_all(programs, folders))
