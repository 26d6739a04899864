"""The work of `mosaic lint`, kept apart from its declaration."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Self

from mosaic import __version__
from mosaic.cli import console
from mosaic.cli.console import Status
from mosaic.cli.sources import gather
from mosaic.compiler.diagnostic import Diagnostic, Severity
from mosaic.compiler.fixing import Mended, mend, offered
from mosaic.compiler.reporting import Format, render
from mosaic.compiler.source import SourceFile
from mosaic.project import Project

STDIN = "<stdin>"


@dataclass(frozen=True)
class Selection:
    """Which warnings and notes are told, by codes or how they begin. Errors always are."""

    selected: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @classmethod
    def of(cls, selected: str, ignored: str) -> Self:
        """From `--select` and `--ignore`: codes with commas or blanks between them."""
        found = [tuple(text.upper().replace(",", " ").split()) for text in (selected, ignored)]
        return cls(*found)

    def __contains__(self, diagnostic: Diagnostic) -> bool:
        if diagnostic.severity is Severity.ERROR:
            return True
        code = diagnostic.code
        return (not self.selected or code.startswith(self.selected)) and not code.startswith(self.ignored)


@dataclass(frozen=True)
class Options:
    """What was asked for: fixes made, unsafe ones too, or only shown."""

    fix: bool
    unsafe: bool
    diff: bool
    format: Format
    selection: Selection


def lint_paths(paths: Sequence[str], project: Project, options: Options) -> NoReturn:
    """Lint files and folders, fix them as asked, print what is left and end with the exit code that it asks for."""
    gathered = gather(paths)
    mended = [_mended(source, project, options) for source in gathered.files]
    changed = [(old, new) for old, new in zip(gathered.files, mended, strict=True) if new.made]
    left = tuple(dict.fromkeys((*gathered.diagnostics, *(d for each in mended for d in each.left))))
    is_left = any(d.severity is not Severity.NOTE for d in left) or (options.diff and bool(changed))
    status = Status.UNREADABLE if gathered.unreadable else Status.ERRORS if is_left else Status.CLEAN
    for old, new in changed:
        if options.diff:
            sys.stdout.write(_difference(old, new.source))
        elif old.name != STDIN:
            _write(new.source)
    if options.fix and not options.diff:
        sys.stdout.write("".join(each.source.text for each in mended if each.source.name == STDIN))
    # What else goes to standard output has it for itself.
    aside = options.diff or (options.fix and any(source.name == STDIN for source in gathered.files))
    stream = sys.stderr if aside else sys.stdout
    names = [source.name for source in gathered.files]
    text = render(
        options.format,
        left,
        names,
        exit_code=int(status),
        version=__version__,
        strict=True,
        color=console.colored(stream),
    )
    if text and not (options.diff and options.format is Format.TEXT and not gathered.unreadable):
        print(text, file=stream)
    if options.format is Format.TEXT:
        print(_summary(left, mended, options), file=stream)
    raise SystemExit(int(status))


def _mended(source: SourceFile, project: Project, options: Options) -> Mended:
    def look(text: SourceFile) -> tuple[Diagnostic, ...]:
        return tuple(d for d in project.lint(text) if d in options.selection)

    if options.fix or options.diff:
        return mend(source, look, unsafe=options.unsafe)
    return Mended(source, (), look(source))


def _write(source: SourceFile) -> None:
    from mosaic.runtime.writing import write

    write(Path(source.name), source.text.encode())


def _difference(old: SourceFile, new: SourceFile) -> str:
    lines = difflib.unified_diff(
        old.text.splitlines(keepends=True),
        new.text.splitlines(keepends=True),
        old.name,
        f"{old.name} (fixed)",
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _summary(left: Sequence[Diagnostic], mended: Sequence[Mended], options: Options) -> str:
    files = f"{len(mended)} file{'' if len(mended) == 1 else 's'} linted"
    counts = [_count(sum(d.severity is severity for d in left), severity) for severity in Severity]
    made = sum(len(each.made) for each in mended)
    fixed = f"; {'would fix' if options.diff else 'fixed'} {made}" if options.fix or options.diff else ""
    return f"{files}: {', '.join(filter(None, counts)) or 'nothing to say'}{fixed}{_more(mended, options)}"


def _count(number: int, severity: Severity) -> str:
    return f"{number} {severity}{'' if number == 1 else 's'}" if number else ""


def _more(mended: Iterable[Mended], options: Options) -> str:
    """What another option would still fix."""
    kept = tuple(mended)
    safe = sum(len(offered(each.source, each.left)) for each in kept)
    every = sum(len(offered(each.source, each.left, unsafe=True)) for each in kept)
    told = [f"{safe} with --fix"] if safe and not options.fix and not options.diff else []
    if every > safe and not options.unsafe:
        told.append(f"{every - safe} with --unsafe-fixes")
    return f" (can be fixed: {', '.join(told)})" if told else ""
