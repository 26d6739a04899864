"""The work of `mosaic lint`, kept apart from its declaration."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TextIO

from mosaic.api.checking import Asked
from mosaic.api.linting import Linted, look
from mosaic.api.reports import Status
from mosaic.api.selecting import Wanted
from mosaic.api.sources import gather
from mosaic.api.workers import World
from mosaic.cli import console
from mosaic.cli.checking import ACTIONS
from mosaic.cli.console import guarded
from mosaic.compiler.diagnostic import Severity
from mosaic.compiler.fixing import Mended, offered
from mosaic.compiler.reporting import Format
from mosaic.compiler.source import SourceFile

STDIN: Final = "<stdin>"


@dataclass(frozen=True)
class Options:
    """What was asked for: fixes made, unsafe ones too, or only shown. Without a `format` it is text, and on GitHub
    annotations too."""

    fix: bool
    unsafe: bool
    diff: bool
    format: Format | None
    select: tuple[str, ...]
    ignore: tuple[str, ...]
    world: World


@guarded
def lint_paths(paths: Sequence[str], options: Options) -> None:
    """Lint files and folders, fix them as asked, print what is left and end with the exit code that it asks for."""
    asked = Asked(options.world, Wanted.of(options.select, options.ignore))
    outcome = look(gather(paths), asked, fix=options.fix, unsafe=options.unsafe)
    if options.diff:
        for old, new in outcome.changed:
            sys.stdout.write(_difference(old, new))
    else:
        outcome.write()
    to_stdout = [new.source for old, new in outcome.files if old.name == STDIN and options.fix]
    if not options.diff:
        sys.stdout.write("".join(source.text for source in to_stdout))
    status = outcome.report.status(strict=True)
    if options.diff and outcome.changed:
        status = max(status, Status.ERRORS)
    # A text that was fixed, or a difference, has standard output for itself.
    _report(outcome, options, status, sys.stderr if options.diff or to_stdout else sys.stdout)
    raise SystemExit(int(status))


def _difference(old: SourceFile, new: SourceFile) -> str:
    before, after = old.text.splitlines(keepends=True), new.text.splitlines(keepends=True)
    lines = difflib.unified_diff(before, after, old.name, f"{old.name} (fixed)")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _report(outcome: Linted, options: Options, status: Status, stream: TextIO) -> None:
    format = options.format or Format.TEXT
    # A difference tells what would be fixed, and what would be left is told where the fixes are made.
    if format is not Format.TEXT or not options.diff or outcome.unread:
        _print(format, outcome, status, stream)
    if format is Format.TEXT:
        print(_summary(outcome, options), file=stream)
    if options.format is None and os.environ.get(ACTIONS) == "true" and outcome.left:
        _print(Format.GITHUB, outcome, status, stream)


def _print(format: Format, outcome: Linted, status: Status, stream: TextIO) -> None:
    text = outcome.report.render(format, strict=True, color=console.colored(stream), exit_code=int(status))
    if text:
        print(text, file=stream)


def _summary(outcome: Linted, options: Options) -> str:
    mended = [new for _, new in outcome.files]
    files = f"{len(mended)} file{'' if len(mended) == 1 else 's'} linted"
    counts = [_count(sum(d.severity is severity for d in outcome.left), severity) for severity in Severity]
    made = sum(len(each.made) for each in mended)
    fixed = f"; {'would fix' if options.diff else 'fixed'} {made}" if options.fix else ""
    return f"{files}: {', '.join(filter(None, counts)) or 'nothing to say'}{fixed}{_more(mended, options)}"


def _count(number: int, severity: Severity) -> str:
    return f"{number} {severity}{'' if number == 1 else 's'}" if number else ""


def _more(mended: Iterable[Mended], options: Options) -> str:
    """What other options would fix."""
    kept = tuple(mended)
    safe = sum(len(offered(each.source, each.left)) for each in kept)
    every = sum(len(offered(each.source, each.left, unsafe=True)) for each in kept)
    told = [f"{safe} with --fix"] if safe and not options.fix else []
    if every > safe and not options.unsafe:
        told.append(f"{every - safe} with --unsafe-fixes")
    return f" (can be fixed: {', '.join(told)})" if told else ""
