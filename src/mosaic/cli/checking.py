"""The work of `mosaic check`, kept apart from its declaration: see `mosaic.cli.main`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Final, NoReturn

from mosaic import __version__
from mosaic.api.faults import UnreadableError
from mosaic.api.selecting import Wanted, shown
from mosaic.api.sources import Gathered, gather
from mosaic.api.workers import World, check_files, groups, processes
from mosaic.cli import console
from mosaic.cli.console import Status, guarded
from mosaic.compiler.diagnostic import Diagnostic, MosaicError, Severity
from mosaic.compiler.ignoring import Found, without_lints
from mosaic.compiler.reporting import Format, render

ACTIONS: Final = "GITHUB_ACTIONS"
"""The variable that says, by `true`, that a command runs in a workflow of GitHub."""


@dataclass(frozen=True)
class Options:
    """What was asked for. Without a `format` it is text, and on GitHub annotations too."""

    format: Format | None = None
    world: World = field(default_factory=World)
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    statistics: bool = False
    strict: bool = False  # warnings count as errors
    jobs: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What is shown of a check: diagnostics, the files' names, the catalogs that were asked."""

    found: tuple[Diagnostic, ...] = ()
    files: tuple[str, ...] = ()
    catalogs: tuple[str, ...] = ()
    unreadable: bool = False


@guarded
def check_paths(paths: Sequence[str], options: Options) -> None:
    """Check files and folders, print what is wrong and end with the exit code that it asks for."""
    try:
        wanted = Wanted.of(options.select, options.ignore)
        outcome = _outcome(gather(paths), options, wanted)
    except MosaicError as error:
        outcome = Outcome(error.diagnostics, unreadable=isinstance(error, UnreadableError))
    _report(outcome, options)


def _outcome(gathered: Gathered, options: Options, wanted: Wanted) -> Outcome:
    checked, catalogs = _check(gathered, options)
    told = shown(checked, gathered.settings, wanted, without_lints)
    # Two plans that use one broken library report its mistakes once.
    found = tuple(dict.fromkeys((*gathered.diagnostics, *(d for _, each in told for d in each))))
    names = tuple(source.name for source in gathered.files)
    return Outcome(found, names, catalogs, gathered.unreadable)


def _check(gathered: Gathered, options: Options) -> tuple[tuple[Found, ...], tuple[str, ...]]:
    """What was found in each file, and the catalogs that were asked."""
    found: list[tuple[Diagnostic, ...]] = [()] * len(gathered.files)
    catalogs: dict[str, None] = {}
    worlds = [world_of(source.name, gathered, options.world) for source in gathered.files]
    for world, numbers in groups(worlds):
        files = [gathered.files[number] for number in numbers]
        checked = check_files(files, world, processes(len(files), options.jobs))
        for number, told in zip(numbers, checked.found, strict=True):
            found[number] = told
        if checked.catalog:
            catalogs.setdefault(checked.catalog)
    return tuple(zip(gathered.files, found, strict=True)), tuple(catalogs)


def world_of(name: str, gathered: Gathered, asked: World) -> World:
    """The world that a file is checked in, by the command line and the settings that hold for it."""
    return asked.at(gathered.settings.of(name))


def _report(outcome: Outcome, options: Options) -> NoReturn:
    status = console.status(outcome.found, unreadable=outcome.unreadable, strict=options.strict)
    format = options.format or Format.TEXT
    text = _counted(outcome, format) if options.statistics else _rendered(outcome, format, status, options)
    if text:
        print(text)
    if format is Format.TEXT:
        print(_summary(outcome, options.strict))
    if options.format is None and os.environ.get(ACTIONS) == "true" and outcome.found:
        print(_rendered(outcome, Format.GITHUB, status, options))
    raise SystemExit(int(status))


def _rendered(outcome: Outcome, format: Format, status: Status, options: Options) -> str:
    return render(
        format,
        outcome.found,
        outcome.files,
        exit_code=int(status),
        version=__version__,
        strict=options.strict,
        color=console.colored(sys.stdout),
    )


def _counted(outcome: Outcome, format: Format) -> str:
    from mosaic.compiler.reporting.document import dumps, json_report
    from mosaic.compiler.reporting.statistics import statistics, table

    counts = statistics(outcome.found)
    if format is Format.TEXT:
        return table(counts)
    report = json_report(outcome.found, files=len(outcome.files))
    return dumps(
        {**report, "statistics": [{**asdict(count), "severity": str(count.severity)} for count in counts]}
    )


def _summary(outcome: Outcome, strict: bool) -> str:
    files = len(outcome.files)
    counts = [
        f"{number} {severity}{'' if number == 1 else 's'}"
        for severity in Severity
        if (number := sum(d.severity is severity for d in outcome.found))
    ]
    counted = ", warnings count as errors" if strict and _has_warnings(outcome) else ""
    # Which catalog was asked decides what is a mistake: a log without it cannot be repeated.
    asked = f" ({'; '.join(outcome.catalogs)})" if outcome.catalogs else ""
    return f"{files} file{'' if files == 1 else 's'} checked: {', '.join(counts) or 'no mistakes'}{counted}{asked}"


def _has_warnings(outcome: Outcome) -> bool:
    return any(diagnostic.severity is Severity.WARNING for diagnostic in outcome.found)
