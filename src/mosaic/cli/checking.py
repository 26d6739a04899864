"""The work of `mosaic check`, kept apart from its declaration: see `mosaic.cli.main`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Final, NoReturn

from mosaic.api.checking import Asked, look
from mosaic.api.faults import UnreadableError
from mosaic.api.reports import Report
from mosaic.api.selecting import Wanted
from mosaic.api.sources import gather
from mosaic.api.workers import World
from mosaic.cli import console
from mosaic.cli.console import guarded
from mosaic.compiler.diagnostic import MosaicError, Severity
from mosaic.compiler.reporting import Format

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


@guarded
def check_paths(paths: Sequence[str], options: Options) -> None:
    """Check files and folders, print what is wrong and end with the exit code that it asks for."""
    try:
        wanted = Wanted.of(options.select, options.ignore)
        report = look(gather(paths), Asked(options.world, wanted, options.jobs))
    except MosaicError as error:
        report = Report(error.diagnostics, unreadable=isinstance(error, UnreadableError))
    _report(report, options)


def _report(report: Report, options: Options) -> NoReturn:
    status = report.status(strict=options.strict)
    format = options.format or Format.TEXT
    text = _counted(report, format) if options.statistics else _rendered(report, format, options)
    if text:
        print(text)
    if format is Format.TEXT:
        print(_summary(report, options.strict))
    if options.format is None and os.environ.get(ACTIONS) == "true" and report.diagnostics:
        print(_rendered(report, Format.GITHUB, options))
    raise SystemExit(int(status))


def _rendered(report: Report, format: Format, options: Options) -> str:
    return report.render(format, strict=options.strict, color=console.colored(sys.stdout))


def _counted(report: Report, format: Format) -> str:
    from mosaic.compiler.reporting.document import dumps, json_report
    from mosaic.compiler.reporting.statistics import statistics, table

    counts = statistics(report.diagnostics)
    if format is Format.TEXT:
        return table(counts)
    told = json_report(report.diagnostics, files=len(report.files))
    return dumps(
        {**told, "statistics": [{**asdict(count), "severity": str(count.severity)} for count in counts]}
    )


def _summary(report: Report, strict: bool) -> str:
    files = len(report.files)
    counts = [
        f"{number} {severity}{'' if number == 1 else 's'}"
        for severity in Severity
        if (number := sum(d.severity is severity for d in report))
    ]
    counted = ", warnings count as errors" if strict and _has_warnings(report) else ""
    # Which catalog was asked decides what is a mistake: a log without it cannot be repeated.
    asked = f" ({'; '.join(report.catalogs)})" if report.catalogs else ""
    return f"{files} file{'' if files == 1 else 's'} checked: {', '.join(counts) or 'no mistakes'}{counted}{asked}"


def _has_warnings(report: Report) -> bool:
    return any(diagnostic.severity is Severity.WARNING for diagnostic in report)
