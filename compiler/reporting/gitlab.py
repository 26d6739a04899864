"""Diagnostics -> a GitLab code quality report."""

from __future__ import annotations

from typing import Any

from mosaic.compiler.diagnostic import Diagnostic, Severity
from mosaic.compiler.reporting.marks import fingerprints, places, words
from mosaic.compiler.reporting.report import Report

_LEVELS = {Severity.ERROR: "major", Severity.WARNING: "minor", Severity.NOTE: "info"}


def gitlab(report: Report) -> list[dict[str, Any]]:
    """One entry for each diagnostic. What has no place in a text stands at the project itself, line 1."""
    marks = fingerprints(report.diagnostics)
    return [_entry(*pair) for pair in zip(report.diagnostics, marks, strict=True)]


def _entry(diagnostic: Diagnostic, fingerprint: str) -> dict[str, Any]:
    span = diagnostic.span
    line, end = (1, 1) if span is None else (places(span)[0], places(span)[2])
    return {
        "description": words(diagnostic),
        "check_name": diagnostic.code,
        "fingerprint": fingerprint,
        "severity": _LEVELS[diagnostic.severity],
        "location": {
            "path": "." if span is None else _path(span.source.name),
            "lines": {"begin": line, "end": end},
        },
    }


def _path(name: str) -> str:
    return name.removeprefix("./").replace("\\", "/")
