"""Diagnostics -> JSON for programs: the shape that docs/json.md describes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from mosaic.compiler.diagnostic import Diagnostic, Edit
from mosaic.compiler.source import Span

JSON_VERSION = 1
"""The version of the JSON shape; raised by a change that older readers would misread."""

# What strangers write into files must not steer a terminal, and lone surrogates (odd file names) cannot be encoded:
# C1 controls, zero-width characters, marks of direction, separators of lines, tags.
_STEERING = re.compile(
    "[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def dumps(document: object) -> str:
    """A document as JSON with its keys in the order given, readable by people as well."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return _STEERING.sub(lambda found: json.dumps(found[0])[1:-1], text)


def render_json(diagnostics: Sequence[Diagnostic]) -> list[dict[str, Any]]:
    """The diagnostics as plain data, ready for `json.dumps`.

    Lines and columns count from 1, columns in code points; the end is the position behind the last character.
    A diagnostic without a place has null for file and positions.
    """
    return [_as_json(diagnostic) for diagnostic in diagnostics]


def json_report(diagnostics: Sequence[Diagnostic], *, files: int) -> dict[str, Any]:
    """What `mosaic check --format json` prints: `{"version": 1, "diagnostics": [...], "files": n}`."""
    return {"version": JSON_VERSION, "diagnostics": render_json(diagnostics), "files": files}


def _as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code,
        "severity": str(diagnostic.severity),
        "message": diagnostic.message(),
        "file": diagnostic.span.source.name if diagnostic.span else None,
        **_positions(diagnostic.span),
        "help": list(diagnostic.help()),
        "fixes": [
            {"title": fix.title, "safe": fix.safe, "edits": [_edit(edit) for edit in fix.edits]}
            for fix in diagnostic.fixes()
        ],
    }


def _edit(edit: Edit) -> dict[str, Any]:
    return {**_positions(edit.span), "replacement": edit.replacement}


def _positions(span: Span | None) -> dict[str, int | None]:
    if span is None:
        return {"line": None, "column": None, "end_line": None, "end_column": None}
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(span.end)
    return {"line": line, "column": column, "end_line": end_line, "end_column": end_column}
