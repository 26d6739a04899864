"""docs/mcp.md says what is so: its tools, its options, its conversation."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.mcp.talking import answer, asked

from mosaic.mcp import bounds
from mosaic.mcp.server import Service

PAGE = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text(encoding="utf-8")


def _matches(told: Any, said: Any) -> bool:
    """Whether an answer is what the page says; the page may say less."""
    if said == "…":
        return True
    if isinstance(said, dict):
        return isinstance(told, dict) and all(
            key in told and _matches(told[key], each) for key, each in said.items()
        )
    if isinstance(said, list):
        return len(told) == len(said) and all(map(_matches, told, said))
    return bool(told == said)


def test_the_conversation(service: Service) -> None:
    (plan,) = re.findall(r"^```mosaic\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    known: dict[str, Any] = {"PLAN": f"mosaic 1\n\n{plan}"}
    turns = re.findall(r"^→ (\w+) (\{.*?\})\n← (\{.*?\})\n(?=\n|```)", PAGE, re.DOTALL | re.MULTILINE)
    assert [tool for tool, _, _ in turns][-2:] == ["get_job", "get_report"] and len(turns) == 7
    for tool, given, said in turns:
        arguments = {
            key: known.get(each, each) if isinstance(each, str) else each
            for key, each in json.loads(given).items()
        }
        told = answer(service, tool, **arguments)
        assert _matches(told, json.loads(said)), (tool, told)
        known |= {"FIXED": told["plan"]} if tool == "fix_plan" else {}
        for name, key in (("ACKNOWLEDGEMENT", "acknowledgement"), ("JOB", "job")):
            known |= {name: told[key]} if told.get(key) else {}


def test_every_tool_and_resource_is_named(service: Service) -> None:
    tools = [tool.name for tool in asked(service, lambda client: client.list_tools()).tools]
    table = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(table) == sorted(tools)
    for resource in asked(service, lambda client: client.list_resources()).resources:
        assert f"`{resource.uri}`" in PAGE


def test_bounds_are_those_of_the_server() -> None:
    assert f"{bounds.LONGEST_PLAN:,} characters" in PAGE
    assert f"waits up to {bounds.LONGEST_WAIT:g} s" in PAGE
    assert f"the last {bounds.MOST_KEPT} can" in PAGE and bounds.MOST_WAITING == 8
    assert (bounds.MOST_PICTURES, bounds.MOST_PICTURE_BYTES) == (4, 4 * 1024 * 1024)
