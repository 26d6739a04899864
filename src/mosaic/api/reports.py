"""What is to be said of plans, as a value; and the exit code that it asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from mosaic.compiler.diagnostic import Diagnostic, Severity
from mosaic.compiler.reporting import Format, render


class Status(IntEnum):
    """Exit codes. UNREADABLE wins over ERRORS."""

    CLEAN = 0
    ERRORS = 1
    UNREADABLE = 2


def status(diagnostics: Iterable[Diagnostic], *, unreadable: bool = False, strict: bool = False) -> Status:
    """The exit code that diagnostics ask for. With `strict`, warnings count as errors.

    A catalog that cannot be used (M830 to M837) is an unreadable input, whoever finds it out; so is a language model
    that cannot be asked (M862 to M865).
    """
    diagnostics = tuple(diagnostics)
    if unreadable or any("M830" <= d.code <= "M837" or "M862" <= d.code <= "M865" for d in diagnostics):
        return Status.UNREADABLE
    wrong = (Severity.ERROR, Severity.WARNING) if strict else (Severity.ERROR,)
    return Status.ERRORS if any(d.severity in wrong for d in diagnostics) else Status.CLEAN


@dataclass(frozen=True)
class Report:
    """What is to be said of some plans: the diagnostics, in the order of files and lines.

    `files` are the names of those that were read, `catalogs` the catalogs that were asked (place and digest),
    `unreadable` says that something could not be read. It iterates over its diagnostics.

    >>> report = mosaic.check("mosaic 1\\nplan p { emit nothing as 'a.png' }")
    >>> report.ok, report.files
    (False, ('<text>',))
    >>> print(report.render("github").partition(",col")[0])
    ::error file=<text>,line=2
    """

    diagnostics: tuple[Diagnostic, ...] = ()
    files: tuple[str, ...] = ()
    catalogs: tuple[str, ...] = ()
    unreadable: bool = False

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.diagnostics)

    def __len__(self) -> int:
        return len(self.diagnostics)

    @property
    def ok(self) -> bool:
        """Whether there are no errors and everything could be read. Warnings and notes do not count."""
        return self.status() is Status.CLEAN

    def status(self, *, strict: bool = False) -> Status:
        """The exit code of `mosaic check`; with `strict`, warnings count as errors."""
        return status(self.diagnostics, unreadable=self.unreadable, strict=strict)

    def render(
        self,
        format: Format | str = "text",
        *,
        strict: bool = False,
        color: bool = False,
        exit_code: int | None = None,
    ) -> str:
        """The report as text, json, sarif, github, gitlab or junit: what `mosaic check --format` prints. `exit_code` is
        what SARIF tells of the command where that is another than `status()`."""
        from mosaic import __version__

        return render(
            Format(format),
            self.diagnostics,
            self.files,
            exit_code=int(self.status(strict=strict)) if exit_code is None else exit_code,
            version=__version__,
            strict=strict,
            color=color,
        )
