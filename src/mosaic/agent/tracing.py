"""Traces as files: what composing did, step by step, for machines and for whoever looks into it later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pydantic

from mosaic.agent.values import TRACE_VERSION, Trace
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.tracing import NotATrace
from mosaic.compiler.reporting.document import dumps
from mosaic.project import read_bytes
from mosaic.runtime.writing import write

LARGEST: Final = 64 * 2**20
"""More bytes than a trace has."""


def to_json(trace: Trace) -> str:
    """A trace as JSON for people too: fields in the order of the steps, characters that steer a terminal escaped."""
    return dumps(trace.model_dump(mode="json")) + "\n"


def write_trace(trace: Trace, path: Path) -> Path:
    """Write a trace as JSON, whole or not at all, and return its path. Raises MosaicError (M855)."""
    write(path, to_json(trace).encode())
    return path


def read_trace(path: Path) -> Trace:
    """A trace from its file. Raises MosaicError where there is none (M801, M807), or none of this version (M899)."""
    data = read_bytes(path, LARGEST + 1)
    if len(data) > LARGEST:
        raise _no_trace(path, f"it has more than {LARGEST // 2**20} MiB")
    try:
        content: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        reason = "its values lie too deep" if isinstance(error, RecursionError) else "it is no JSON"
        raise _no_trace(path, reason) from None
    version = content.get("version") if isinstance(content, dict) else None
    if type(version) is not int:
        raise _no_trace(path, "it says no version")
    if version > TRACE_VERSION:
        raise _no_trace(path, f"it has version {version}, and this mosaic reads up to {TRACE_VERSION}")
    try:
        return Trace.model_validate_json(data)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise _no_trace(path, f"{where}: {first['msg']}" if where else first["msg"]) from None


def _no_trace(path: Path, reason: str) -> MosaicError:
    return MosaicError(NotATrace(None, str(path), reason))
