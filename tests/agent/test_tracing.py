"""Traces as files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from tests.agent.traces import over_the_zoo, traces

from mosaic.agent.tracing import read_trace, to_json, write_trace
from mosaic.agent.values import TRACE_VERSION, Trace
from mosaic.compiler.diagnostic import MosaicError


def refused(path: Path) -> str:
    with pytest.raises(MosaicError) as caught:
        read_trace(path)
    (found,) = caught.value.diagnostics
    return f"{found.code} {found.message()}"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    trace = over_the_zoo()
    path = write_trace(trace, tmp_path / "deep" / "cat.trace.json")
    assert read_trace(path) == trace
    assert [child.name for child in path.parent.iterdir()] == ["cat.trace.json"]
    document = json.loads(path.read_text(encoding="utf-8"))
    assert list(document) == list(Trace.model_fields)
    assert document["decomposition"]["facets"][1]["kind"] == "character"
    assert [each["compiles"] for each in document["rounds"]] == [False, True]


@settings(max_examples=150, deadline=None)
@given(trace=traces)
def test_any_trace_survives_and_steers_nothing(trace: Trace) -> None:
    text = to_json(trace)
    again = Trace.model_validate_json(text)
    assert again == trace
    assert to_json(again) == text
    assert not set(text) & set("\x1b\x00\x7f\u200b\u202e\u2066\r")


def test_a_trace_of_a_later_mosaic_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "later.json"
    document = json.loads(to_json(over_the_zoo()))
    path.write_text(json.dumps(document | {"version": TRACE_VERSION + 1, "thoughts": []}))
    assert f"M899 `{path}`" in refused(path)
    assert f"version {TRACE_VERSION + 1}, and this mosaic reads up to {TRACE_VERSION}" in refused(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is no JSON"),
        (b"\xff\xfe{", "it is no JSON"),
        (b"[" * 100_000, "its values lie too deep"),
        (b"[]", "it says no version"),
        (b'{"version": true}', "it says no version"),
        (b'{"version": "1"}', "it says no version"),
        (b'{"version": 1}', "request: Field required"),
        (b'{"version": 1, "request": {"text": "a cat"}, "backend": "offline", "key": "x"}', "key: Extra"),
    ],
)
def test_what_is_no_trace(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(content)
    assert refused(path).startswith("M899") and reason in refused(path)


def test_files_that_are_not_there_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(tmp_path / "none.json").startswith("M801")
    monkeypatch.setattr("mosaic.agent.tracing.LARGEST", 2**20)
    path = write_trace(over_the_zoo(), tmp_path / "large.json")
    path.write_bytes(path.read_bytes() + b" " * 2**20)
    assert "more than 1 MiB" in refused(path)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MosaicError) as caught:
        write_trace(over_the_zoo(), tmp_path / "file" / "trace.json")
    assert caught.value.diagnostics[0].code == "M855"
