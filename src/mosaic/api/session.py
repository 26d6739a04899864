"""What `mosaic run` does between reading its options and printing its results."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.api.sources import readable
from mosaic.api.sweep import Axis, Sweep
from mosaic.compiler.diagnostic import Diagnostic, MosaicError, Sink
from mosaic.compiler.errors.integrity import NotAtHand
from mosaic.compiler.program import Program
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax import tree
from mosaic.learning import Expected, expected, note
from mosaic.profiles import room_of
from mosaic.project import Project, load_program
from mosaic.runtime.origin import Origin

if TYPE_CHECKING:
    from mosaic.compiler.context import Context
    from mosaic.compiler.cost.manner import Manner
    from mosaic.compiler.cost.profile import Profile
    from mosaic.compiler.ir.graph import Graph
    from mosaic.runtime.engine import Engine
    from mosaic.runtime.outputs import Emitted
    from mosaic.runtime.results import RunResult

PROGRAM = ".json"


@dataclass(frozen=True)
class Job:
    """One program to run, and the folder below the output folder where its files go.

    Each plan of a file that holds several has a folder, and in it each member of a sweep.
    """

    program: Program
    plan_folder: str = ""
    cell_folder: str = ""
    swept: Mapping[str, str] = field(default_factory=dict)
    expected: tuple[Expected, ...] = ()  # what is computed of its instructions
    graph: Graph | None = field(default=None, repr=False)  # what it was lowered from

    @property
    def folder(self) -> Path:
        """Where its files go."""
        return Path(self.plan_folder, self.cell_folder)


@dataclass(frozen=True)
class Jobs:
    """Everything that one command runs. `notes` are warnings and notes of the compiler."""

    jobs: tuple[Job, ...]
    notes: tuple[Diagnostic, ...] = ()
    axes: tuple[Axis, ...] = ()  # along which the sweep changes something
    beside: Path | None = None  # where relative locations of files start
    context: Context | None = None  # what they were compiled in


@dataclass
class Outcome:
    """What was run and written, and what it took. It iterates over its results.

    >>> outcome = mosaic.run(PLAN, output=folder, sweep={"seed": range(1, 4)})
    >>> [str(file.path.relative_to(folder)) for file in outcome.files]
    ['seed-1/cat.png', 'seed-2/cat.png', 'seed-3/cat.png']
    >>> [sheet.name for sheet in outcome.sheets]
    ['cat.sheet.png']
    """

    jobs: list[tuple[Job, RunResult]] = field(default_factory=list)
    sheets: list[Path] = field(default_factory=list)
    reports: list[Path] = field(default_factory=list)

    def __iter__(self) -> Iterator[RunResult]:
        return iter(self.results)

    @property
    def results(self) -> tuple[RunResult, ...]:
        """What each program's run says of itself, in the order of the sweep."""
        return tuple(result for _, result in self.jobs)

    @property
    def files(self) -> tuple[Emitted, ...]:
        """Everything that was emitted."""
        return tuple(file for result in self.results for file in result.emitted)

    def document(self) -> dict[str, Any]:
        """The JSON shape that docs/json.md describes."""
        return {
            "version": 1,
            "emitted": [
                {
                    "path": str(file.path),
                    "type": file.type,
                    "sha256": file.sha256,
                    "parameters": dict(job.swept),
                    "batched": file.name in result.batched,
                }
                for job, result in self.jobs
                for file in result.emitted
            ],
            "programs": [result.program for _, result in self.jobs],
            "sheets": [str(path) for path in self.sheets],
            "reports": [str(path) for path in self.reports],
            "seconds": round(sum(result.seconds for _, result in self.jobs), 3),
            "evaluations": sum(result.evaluations for _, result in self.jobs),
            "sources": {str(source): self._count(source) for source in Origin},
        }

    def _count(self, source: Origin) -> int:
        return sum(result.count(source) for _, result in self.jobs)

    def lines(self) -> Iterator[str]:
        """The same for people."""
        for _, result in self.jobs:
            for file in result.emitted:
                yield f"{file.path}  {file.type}  sha256:{file.sha256}"
        yield from (f"{path}  contact sheet" for path in self.sheets)
        yield from (f"{path}  report" for path in self.reports)
        batched = sum(len(result.batched) for _, result in self.jobs)
        if batched:
            several = "file was" if batched == 1 else "files were"
            yield f"{batched} {several} made in batches with other runs: the same up to floating point"
        seconds = sum(result.seconds for _, result in self.jobs)
        evaluations = sum(result.evaluations for _, result in self.jobs)
        for cut in dict.fromkeys(cut for _, result in self.jobs for cut in result.truncations):
            yield (
                f"{cut.operator} cut to rank {cut.rank}: {cut.mean:.1%} of a change lost on average, "
                f"{cut.most:.1%} at most ({cut.worst})"
            )
        told = f"{seconds:.1f} s, {evaluations} model evaluations"
        cached, shared = self._count(Origin.CACHE), self._count(Origin.SHARED)
        told += f", {cached} result{'' if cached == 1 else 's'} from the cache" if cached else ""
        yield f"{told}, {shared} shared" if shared else told


def jobs(project: Project, source: SourceFile, plan: str | None, wanted: Sweep) -> Jobs:
    """Compile everything before anything runs. Raises MosaicError with every diagnostic."""
    found: list[Job] = []
    sink = Sink()
    for cell in wanted:
        compiled = project.compile(source, plan=plan, parameters=cell.parameters)
        sink.extend(compiled.diagnostics)
        several = len(compiled.programs) > 1
        for program, graph in zip(compiled.programs, compiled.graphs, strict=True):
            folder = program.source.plan if several else ""
            computed = expected(graph, project.context(source))
            found.append(Job(program, folder, cell.folder, cell.swept, computed, graph))
    context = project.context(source)
    return Jobs(tuple(found), tuple(sink), wanted.open_axes, context=context)


def closed(path: str | os.PathLike[str]) -> Jobs:
    """A compiled program from its file. Raises UnreadableError (M801, M807, M884)."""
    with readable():
        program = load_program(Path(path))
    return Jobs((Job(program),), beside=Path(path).absolute().parent)


def room(engine: Engine, jobs: Jobs) -> Profile:
    """The device that an engine runs on, with the memory that it has."""
    return room_of(engine.device, jobs.context.profile if jobs.context is not None else None)


def fits(project: Project, jobs: Jobs, device: Profile, manner: Manner) -> bool:
    """Whether all that runs, compiled in a project, is predicted to fit into a device's memory. A program that comes
    compiled is not judged: what it was made from is not known."""
    if jobs.context is None:
        return True
    from mosaic.compiler.fit import has_room

    context = replace(jobs.context, manner=manner)
    with project:  # what experts do is asked of the catalog again
        return all(has_room(job.graph, context, device) for job in jobs.jobs if job.graph is not None)


def parameters(source: SourceFile) -> tuple[tree.Parameter, ...]:
    """A file's parameters. What is wrong with the file, the compiler says."""
    from mosaic.compiler.syntax.parse import parse

    return tuple(item for item in parse(source, Sink()).items if isinstance(item, tree.Parameter))


def at_hand(jobs: Jobs) -> None:
    """Raise MosaicError (M720) for every file whose bytes are nowhere: a plan compiles without them."""
    missing = Sink()
    for job in jobs.jobs:
        for expert in job.program.experts:
            for file in expert.files:
                if not file.location:
                    missing.add(NotAtHand(None, expert.id, file.name, file.sha256))
    if missing.has_errors:
        raise MosaicError(*missing)


def work(engine: Engine, jobs: Jobs, output: Path, report: Path | None, before: str = "") -> Outcome:
    """Run all jobs, sharing what they have in common; write reports and, for a sweep, a contact sheet. Reports lead to
    the page `before` that lies with them."""
    outcome = Outcome()
    programs = [job.program for job in jobs.jobs]
    results = engine.run_all(programs, [output / job.folder for job in jobs.jobs])
    for job, result in zip(jobs.jobs, results, strict=True):
        outcome.jobs.append((job, result))
        if report is not None:
            from mosaic.runtime.report import write_report

            outcome.reports.append(write_report(job.program, result, report / job.folder, before))
    if jobs.context is not None and engine.batch is None:  # what runs take alone is what is predicted
        note(jobs.context, ((job.expected, result) for job, result in outcome.jobs))
    if jobs.axes:
        outcome.sheets.extend(_sheets(jobs, outcome, output))
    return outcome


def _sheets(jobs: Jobs, outcome: Outcome, output: Path) -> Iterator[Path]:
    """One contact sheet for each picture that the plans emit, over all values that were swept."""
    from mosaic.runtime.sheet import Tile, write_sheet

    tiles: dict[Path, list[Tile]] = {}
    for job, result in outcome.jobs:
        for file in result.emitted:
            if file.type != "image":
                continue
            sheet = output / job.plan_folder / file.name
            tiles.setdefault(sheet.with_suffix(".sheet.png"), []).append(Tile(job.swept, file.path))
    for sheet, pictures in tiles.items():
        yield write_sheet(pictures, sheet)
