"""The SDK's own client, in process, for tests that are not asynchronous themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
from mcp.client import Client
from mcp_types import CallToolResult

from mosaic.mcp.server import Service

PLAN = """\
mosaic 1

param seed: int = 1

plan cat {
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")
  emit sample(fuse(base, neon * 0.8), prompt: "a red cat, {neon}", steps: 2, seed: seed) as "cat.png"
}
"""

Talk = Callable[..., Any]


def call(service: Service, tool: str, **arguments: Any) -> CallToolResult:
    """One call of a tool."""
    return asked(service, lambda client: client.call_tool(tool, arguments))


def answer(service: Service, tool: str, **arguments: Any) -> dict[str, Any]:
    """The structured content of a call that succeeds."""
    result = call(service, tool, **arguments)
    assert not result.is_error, result.content
    assert isinstance(result.structured_content, dict)
    return result.structured_content


def refused(service: Service, tool: str, **arguments: Any) -> str:
    """The text of a call that fails."""
    result = call(service, tool, **arguments)
    assert result.is_error, result.structured_content
    (content,) = result.content
    return str(content.text)


def asked(service: Service, talk: Callable[[Client], Any]) -> Any:
    """What a client hears that talks to a server over memory streams."""

    async def main() -> Any:
        async with Client(service.server(), mode="legacy") as client:
            return await talk(client)

    return anyio.run(main)


def run(service: Service, plan: str, **parameters: Any) -> str:
    """Begin a run whose cost is acknowledged; its job."""
    price = answer(service, "estimate_cost", plan=plan, parameters=parameters)["acknowledgement"]
    begun = answer(service, "run_plan", plan=plan, parameters=parameters, acknowledged_cost=price)
    assert begun["accepted"], begun
    return str(begun["job"])
