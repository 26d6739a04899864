"""Diagnostics in the forms that people, programs and CI services read. One form, one file; all are pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.reporting.report import Report


class Format(StrEnum):
    """How diagnostics are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"
    GITLAB = "gitlab"
    JUNIT = "junit"


def render(
    format: Format,
    diagnostics: Iterable[Diagnostic],
    files: Iterable[str],
    *,
    exit_code: int = 0,
    version: str = "",
    strict: bool = False,
    color: bool = False,
) -> str:
    """Diagnostics in a form, ready to be printed with a line end behind it; empty where text has nothing to say.

    `files` are the names of the files that were read, `exit_code` is what the command will end with, `version` that of
    mosaic. With `strict`, warnings fail as errors do.
    """
    report = Report(tuple(diagnostics), tuple(files), exit_code, version, strict, color)
    # Each form brings modules that the others do without, and `mosaic check` has to start fast.
    match format:
        case Format.TEXT:
            from mosaic.compiler.reporting.text import render_text

            return render_text(report.diagnostics, color=color)
        case Format.JSON:
            from mosaic.compiler.reporting.document import dumps, json_report

            return dumps(json_report(report.diagnostics, files=len(report.files)))
        case Format.SARIF:
            from mosaic.compiler.reporting.document import dumps
            from mosaic.compiler.reporting.sarif import sarif

            return dumps(sarif(report))
        case Format.GITHUB:
            from mosaic.compiler.reporting.github import github

            return github(report)
        case Format.GITLAB:
            from mosaic.compiler.reporting.document import dumps
            from mosaic.compiler.reporting.gitlab import gitlab

            return dumps(gitlab(report))
        case Format.JUNIT:
            from mosaic.compiler.reporting.junit import junit

            return junit(report)
