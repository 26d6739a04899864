"""Diagnostics -> workflow commands, which GitHub Actions shows beside the lines of a pull request.

::error file=duet.mosaic,line=9,col=18,endLine=9,endColumn=23,title=M302::latent space mismatch
"""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler.diagnostic import Diagnostic, Severity
from mosaic.compiler.reporting.marks import places, words
from mosaic.compiler.reporting.report import Report
from mosaic.compiler.reporting.text import visible

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def github(report: Report) -> str:
    """One command a line for each diagnostic; empty where there is none."""
    return "\n".join(_command(diagnostic) for diagnostic in report.diagnostics)


def _command(diagnostic: Diagnostic) -> str:
    properties = ",".join(f"{key}={_property(value)}" for key, value in _properties(diagnostic))
    lines = "\n".join(visible(line) for line in words(diagnostic).split("\n"))
    return f"::{_LEVELS[diagnostic.severity]} {properties}::{_data(lines)}"


def _properties(diagnostic: Diagnostic) -> Iterator[tuple[str, str]]:
    span = diagnostic.span
    if span is not None:
        line, column, end_line, end_column = places(span)
        yield "file", span.source.name
        yield "line", str(line)
        if line == end_line:  # of a region over several lines, columns are not taken
            yield "col", str(column)
            yield "endLine", str(end_line)
            yield "endColumn", str(end_column)
        else:
            yield "endLine", str(end_line)
    yield "title", diagnostic.code


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(visible(text)).replace(":", "%3A").replace(",", "%2C")
