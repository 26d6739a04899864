"""`mosaic mcp` as a process: over standard input and output, over HTTP, without the engine, without the SDK (M878)."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from tests.mcp.talking import PLAN
from typer.testing import CliRunner

from mosaic.cli.app import app
from mosaic.cli.mcp import _place

WARNS = PLAN.replace("let neon", 'let unused = lora("zoo/snow")\n  let neon')


def _message(id: int | None, method: str, **params: Any) -> str:
    told = {"jsonrpc": "2.0", "method": method, "params": params} | ({} if id is None else {"id": id})
    return f"{json.dumps(told)}\n"


class Wire:
    """A server's standard input and output, byte for byte: nothing but messages may come."""

    def __init__(self, folder: Path, *options: str, env: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mosaic", "mcp", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=env,
        )
        self._number = 1
        hello = {"name": "test", "version": "1"}
        self.ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=hello)
        self.send(_message(None, "notifications/initialized"))

    def send(self, text: str) -> None:
        """Write to the server."""
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def ask(self, method: str, **params: Any) -> Any:
        """Ask, and read until the answer comes."""
        assert self.process.stdout is not None
        self._number += 1
        self.send(_message(self._number, method, **params))
        while True:
            told = json.loads(self.process.stdout.readline())
            assert told["jsonrpc"] == "2.0"
            if told.get("id") == self._number:
                return told["result"]

    def call(self, tool: str, **arguments: Any) -> Any:
        """The structured content of a tool's answer."""
        return self.ask("tools/call", name=tool, arguments=arguments)["structuredContent"]

    def end(self) -> None:
        """The client leaves."""
        out, err = self.process.communicate(timeout=60)
        assert out == "" and self.process.returncode == 0, err


def test_only_the_protocol_is_on_standard_output(tmp_path: Path) -> None:
    wire = Wire(tmp_path)
    wire.send("this is no JSON\n")
    compiled = wire.call("compile_plan", plan=WARNS)
    assert [each["severity"] for each in compiled["diagnostics"]] == ["warning"]
    told = wire.call("run_plan", plan=WARNS, acknowledged_cost={"programs": []})
    assert "another program" in told["refused"]
    assert wire.ask("tools/call", name="no_such_tool", arguments={})["isError"]
    wire.end()


@pytest.mark.slow
def test_runs_print_nothing_either(tmp_path: Path) -> None:
    wire = Wire(tmp_path, "--output", "out")
    price = wire.call("estimate_cost", plan=WARNS)["acknowledgement"]
    job = wire.call("run_plan", plan=WARNS, acknowledged_cost=price)["job"]
    done = {"state": "queued"}
    while done["state"] in ("queued", "running"):
        done = wire.call("get_job", job=job, wait_seconds=30)
    assert done["state"] == "done", done
    wire.end()
    assert [path.name for path in (tmp_path / "out").rglob("*.png")] == ["cat.png"]


@pytest.mark.slow
def test_the_end_of_the_client_ends_a_run(tmp_path: Path) -> None:
    wire = Wire(tmp_path, "--output", "out")
    plan = PLAN.replace("steps: 2", "steps: 1000")
    price = wire.call("estimate_cost", plan=plan)["acknowledgement"]
    job = wire.call("run_plan", plan=plan, acknowledged_cost=price)["job"]
    while wire.call("get_job", job=job, wait_seconds=0.1)["stage"] != "denoise":
        pass
    wire.end()
    assert list(tmp_path.rglob("*.png")) == []


def test_over_standard_input_and_output(tmp_path: Path) -> None:
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "mosaic", "mcp"], env=dict(os.environ), cwd=tmp_path
    )

    async def main() -> None:
        async with Client(server) as client:
            assert len((await client.list_tools()).tools) == 13
            compiled = await client.call_tool("compile_plan", {"plan": PLAN})
            assert compiled.structured_content["ok"]
            assert (await client.read_resource("mosaic://language")).contents

    anyio.run(main)


@contextmanager
def _served(
    folder: Path, env: Mapping[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "mosaic", "mcp", "--http", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=env,
    )
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert said.startswith("serving http://127.0.0.1:"), said
        yield said.split()[1], process
    finally:
        process.terminate()
        out, _ = process.communicate(timeout=60)
    assert out == ""


def test_over_http(tmp_path: Path) -> None:
    async def main(url: str) -> None:
        async with Client(url) as client:
            assert len((await client.list_tools()).tools) == 13
            refused = await client.call_tool("run_plan", {"plan": PLAN})
            price = refused.structured_content["acknowledgement"]
            begun = await client.call_tool("run_plan", {"plan": PLAN, "acknowledged_cost": price})
        async with Client(url) as other:  # jobs are the server's, not a connection's
            job = await other.call_tool("get_job", {"job": begun.structured_content["job"]})
            assert job.structured_content["state"] in ("queued", "running", "done")

    with _served(tmp_path) as (url, _):
        anyio.run(main, url)
        # A page of elsewhere that has its name lead here is refused.
        answer = httpx2.post(url, json={}, headers={"host": "evil.example"})
        assert answer.status_code in (403, 421)
        answer = httpx2.post(url, json={}, headers={"origin": "http://evil.example"})
        assert answer.status_code == 403


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_server_that_is_ended_leaves_nothing(tmp_path: Path, number: int, code: int) -> None:
    def ended(process: subprocess.Popen[str]) -> None:
        assert any(tmp_path.glob("mosaic-mcp-*"))
        process.send_signal(number)
        process.wait(timeout=60)
        assert process.returncode == code
        assert not any(tmp_path.glob("mosaic-mcp-*"))

    environment = os.environ | {"TMPDIR": str(tmp_path)}
    wire = Wire(tmp_path, env=environment)
    ended(wire.process)
    with _served(tmp_path, environment) as (url, process):
        port = int(url.rsplit(":", 1)[1].partition("/")[0])
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.send(b"POST /mcp HTTP/1.1\r\n")  # one who does not go on holds nothing up
            ended(process)


def test_a_place_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(app, ["mcp", "--http", port])
    assert result.exit_code == 2 and "--http" in result.output and port in result.output


_WITHOUT = """
import sys
for name in ("torch", "diffusers", "transformers", "numpy", "PIL", "safetensors", "tokenizers", "jinja2"):
    sys.modules[name] = None
from mosaic.cli import main
main()
"""


def test_without_the_engine_all_but_running(tmp_path: Path) -> None:
    server = StdioServerParameters(
        command=sys.executable, args=["-c", _WITHOUT, "mcp"], env=dict(os.environ), cwd=tmp_path
    )

    async def main() -> None:
        async with Client(server) as client:
            for tool, arguments in (
                ("catalog_search", {"words": "neon"}),
                ("catalog_get", {"id": "zoo/neon"}),
                ("catalog_compatible", {"base": "zoo/base"}),
                ("grammar", {}),
                ("compile_plan", {"plan": PLAN}),
                ("fix_plan", {"plan": PLAN}),
                ("explain", {"topic": "fuse"}),
                ("diff_plans", {"old": PLAN, "new": PLAN}),
                ("estimate_cost", {"plan": PLAN}),
                ("compose_plan", {"request": "a red cat"}),
            ):
                told = await client.call_tool(tool, arguments)
                assert not told.is_error, told
            assert (await client.read_resource("mosaic://language")).contents
            priced = await client.call_tool("estimate_cost", {"plan": PLAN})
            price = priced.structured_content["acknowledgement"]
            told = await client.call_tool("run_plan", {"plan": PLAN, "acknowledged_cost": price})
            assert [each["code"] for each in told.structured_content["diagnostics"]] == ["M880"]
            assert not told.structured_content["accepted"]

    anyio.run(main)


def test_without_the_sdk_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['mcp'] = None; from mosaic.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "mcp"], capture_output=True, text=True, input="")
    assert done.returncode == 1 and done.stdout == ""
    assert "error[M878]" in done.stderr and 'pip install "mosaic-plan[mcp]"' in done.stderr


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("8000", ("127.0.0.1", 8000)),
        (":8000", ("127.0.0.1", 8000)),
        ("localhost:1", ("localhost", 1)),
        ("0.0.0.0:65535", ("0.0.0.0", 65535)),
        ("[::1]:8000", ("::1", 8000)),
    ],
)
def test_places(text: str, place: tuple[str, int]) -> None:
    assert _place(text) == place


@pytest.mark.parametrize(
    "options",
    [
        ["--http", "here"],
        ["--http", "localhost:65536"],
        ["--http", "a b:80"],
        ["--root", "no-such-folder"],
        ["--output", "pyproject.toml"],
        ["--device", "abacus"],
    ],
)
def test_options_that_mean_nothing(options: list[str]) -> None:
    result = CliRunner().invoke(app, ["mcp", *options])
    assert result.exit_code == 2, result.output
    assert options[0] in result.output
