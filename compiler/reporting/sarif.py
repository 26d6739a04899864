"""Diagnostics -> SARIF 2.1.0 (OASIS), which code scanning reads and tools apply fixes from.

What has no place in a text (a file that could not be read, a lock that is missing) is no result of an analysis: it
stands among the notifications of the invocation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from mosaic.compiler.diagnostic import Diagnostic, Fix, Severity
from mosaic.compiler.explain import headline, page
from mosaic.compiler.reporting.marks import fingerprints, is_below, places, uri, words
from mosaic.compiler.reporting.report import Report
from mosaic.compiler.source import Span

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "mosaic/v1"
_ROOT = "%SRCROOT%"
_UNREADABLE = 2

# How sure the reader may be that a message of this severity is right, in words that code scanning knows.
_PRECISION = {Severity.ERROR: "very-high", Severity.WARNING: "high", Severity.NOTE: "medium"}
_PROBLEM = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "recommendation"}
_TAGS = {
    "M0": "style",
    "M1": "syntax",
    "M2": "names",
    "M3": "types",
    "M4": "compatibility",
    "M5": "policy",
    "M6": "cost",
    "M7": "integrity",
    "M8": "inputs",
    "M9": "internal",
}


def sarif(report: Report) -> dict[str, Any]:
    """The log: one run, with a rule for each code that it reports."""
    placed = [diagnostic for diagnostic in report.diagnostics if diagnostic.span is not None]
    others = [diagnostic for diagnostic in report.diagnostics if diagnostic.span is None]
    rules, notices = _kinds(placed), _kinds(others)
    failed = report.exit_code >= _UNREADABLE or any(d.severity is Severity.ERROR for d in others)
    marks = fingerprints(placed)
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "mosaic",
                        **({"version": report.version} if report.version else {}),
                        "rules": [_rule(kind) for kind in rules],
                        **({"notifications": [_rule(kind) for kind in notices]} if notices else {}),
                    }
                },
                "invocations": [
                    {
                        "executionSuccessful": not failed,
                        "exitCode": report.exit_code,
                        "toolExecutionNotifications": [_notification(d, notices) for d in others],
                    }
                ],
                "artifacts": [{"location": _artifact(name)} for name in dict.fromkeys(report.files)],
                "columnKind": "unicodeCodePoints",
                "results": [
                    _result(diagnostic, rules, mark) for diagnostic, mark in zip(placed, marks, strict=True)
                ],
            }
        ],
    }


def _kinds(diagnostics: Iterable[Diagnostic]) -> list[type[Diagnostic]]:
    return sorted(
        {type(diagnostic) for diagnostic in diagnostics}, key=lambda kind: (kind.code, kind.__name__)
    )


def _rule(kind: type[Diagnostic]) -> dict[str, Any]:
    text = page(kind)
    return {
        "id": kind.code,
        "name": kind.__name__,
        "shortDescription": {"text": headline(kind)},
        "fullDescription": {"text": " ".join(text.split("\n\n")[0].split()) or headline(kind)},
        "help": {"text": text or headline(kind), "markdown": text or headline(kind)},
        "defaultConfiguration": {"level": str(kind.severity)},
        "properties": {
            "precision": _PRECISION[kind.severity],
            "problem.severity": _PROBLEM[kind.severity],
            "tags": [_TAGS[kind.code[:2]]],
        },
    }


def _notification(diagnostic: Diagnostic, kinds: Sequence[type[Diagnostic]]) -> dict[str, Any]:
    return {
        "descriptor": {"id": diagnostic.code, "index": kinds.index(type(diagnostic))},
        "level": str(diagnostic.severity),
        "message": {"text": _plain(words(diagnostic))},
    }


def _result(diagnostic: Diagnostic, rules: Sequence[type[Diagnostic]], mark: str) -> dict[str, Any]:
    assert diagnostic.span is not None
    found = {
        "ruleId": diagnostic.code,
        "ruleIndex": rules.index(type(diagnostic)),
        "level": str(diagnostic.severity),
        "message": {"text": _plain(words(diagnostic))},
        "locations": [{"physicalLocation": _place(diagnostic.span)}],
        "partialFingerprints": {FINGERPRINT: mark},
    }
    labels = dict.fromkeys(diagnostic.labels())
    if labels:
        found["relatedLocations"] = [
            {
                "id": number,
                "physicalLocation": _place(label.span),
                **({"message": {"text": _plain(label.text)}} if label.text else {}),
            }
            for number, label in enumerate(labels)
        ]
    fixes = [_fix(fix) for fix in dict.fromkeys(diagnostic.fixes()) if fix.edits]
    return {**found, "fixes": fixes} if fixes else found


def _plain(text: str) -> str:
    """The text with what SARIF would read as a placeholder or as a link taken for what it is.

    Other braces stand as they are: viewers format a text only where it has arguments, and show it as it is else.
    """
    return re.sub(r"\{(\d+)\}", r"{{\1}}", text).replace("](", "\\](")


def _place(span: Span) -> dict[str, Any]:
    return {"artifactLocation": _artifact(span.source.name), "region": _region(span)}


def _artifact(name: str) -> dict[str, str]:
    return {"uri": uri(name), **({"uriBaseId": _ROOT} if is_below(name) else {})}


def _region(span: Span) -> dict[str, int]:
    names = ("startLine", "startColumn", "endLine", "endColumn")
    return dict(zip(names, places(span), strict=True))


def _fix(fix: Fix) -> dict[str, Any]:
    edits = sorted(dict.fromkeys(fix.edits), key=lambda edit: edit.span.key)
    changes: dict[str, list[dict[str, Any]]] = {}
    for edit in edits:
        replacement = {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.replacement}}
        changes.setdefault(edit.span.source.name, []).append(replacement)
    return {
        "description": {"text": _plain(fix.title)},
        "artifactChanges": [
            {"artifactLocation": _artifact(name), "replacements": replacements}
            for name, replacements in changes.items()
        ],
        "properties": {"safe": fix.safe},
    }
