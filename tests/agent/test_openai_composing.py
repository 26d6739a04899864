"""Whole compositions over the zoo by a model behind an endpoint: the same command, another writer."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from tests.agent.serving import Answer, Asked, Fails, Server, able
from typer.testing import CliRunner

from mosaic.agent.asking import request_of
from mosaic.agent.backends.calls import Constraint
from mosaic.agent.session import Asked as Composition
from mosaic.agent.tracing import to_json
from mosaic.agent.values import Trace
from mosaic.cli.app import app
from mosaic.compiler.diagnostic import MosaicError

KEY = "sk-planted-4f9c1d77aa"
TEXT = "a red cat, neon style, watercolor"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, a project with settings of its own."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOSAIC_CATALOG", "")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for name in ("OPENAI_BASE_URL", "MOSAIC_COMPOSE_MODEL", "MOSAIC_COMPOSE_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def composed(server: Server, *, limit: int | None = None, yes: bool = True) -> Trace:
    request = request_of(TEXT, policy={"use": "commercial"}, seed=3)
    return Composition(request, backend="openai", base_url=server.url, limit_tokens=limit, yes=yes).compose()


@pytest.mark.parametrize("form", list(Constraint))
def test_a_request_becomes_a_plan_by_a_model(form: Constraint, project: Path) -> None:
    (project / "mosaic.toml").write_text(f'[compose]\nmodel = "writer"\nconstraint = "{form}"\n')
    with Server(able, key=KEY) as server:
        trace = composed(server)
    assert server.faults == []
    assert trace.answer is not None and trace.answer.met and trace.answer.backend == "openai"
    assert {"zoo/base", "zoo/neon", "zoo/watercolor"} == set(trace.answer.experts)
    assert "policy { use: commercial }" in trace.answer.plan and "seed: int = 3" in trace.answer.plan
    assert (trace.model, trace.endpoint) == ("writer", server.origin)
    assert trace.usage.calls == len(server.requests) == 2
    assert trace.usage.input_tokens < trace.estimate.input_tokens
    assert KEY not in to_json(trace)
    sent = server.requests[1].grammar
    assert not sent or trace.grammar == hashlib.sha256(sent.encode()).hexdigest()


def test_a_plan_that_does_not_compile_is_mended_by_what_the_compiler_says(project: Path) -> None:
    (project / "mosaic.toml").write_text('[compose]\nmodel = "writer"\n')

    def script(asked: Asked) -> Answer:
        said = able(asked)
        return said if asked.reads or asked.mends else str(said).replace("sample(look", "sample(loook, loook")

    with Server(script, key=KEY) as server:
        trace = composed(server)
    assert server.faults == []
    assert [round.compiles for round in trace.rounds] == [False, True]
    assert "error" in [each.get("severity") for each in server.requests[2].data("compiler")]
    assert trace.answer is not None and trace.answer.met


@pytest.mark.parametrize(
    ("change", "author"),
    [
        (("policy { use: commercial }", ""), "openai"),
        (("use: commercial", "use: personal"), "openai"),
        (('lora("zoo/neon")', 'lora("evil/x")'), "offline"),
        (('lora("zoo/neon")', 'lora("OUTSIDE")'), "offline"),
        (('lora("zoo/neon")', 'find(lora, "neon")'), "offline"),
        (('lora("zoo/neon")', 'lora("./neon.safetensors")'), "offline"),
    ],
)
def test_a_hostile_model_loosens_nothing(change: tuple[str, str], author: str, project: Path) -> None:
    (project / "mosaic.toml").write_text('[compose]\nmodel = "writer"\n')

    def script(asked: Asked) -> Answer:
        said = able(asked)
        named = {each["id"] for each in asked.data("experts")}
        outside = next(id for id in ("zoo/space", "zoo/crown", "zoo/star", "zoo/night") if id not in named)
        return said if asked.reads else str(said).replace(*change).replace("OUTSIDE", outside)

    with Server(script, key=KEY) as server:
        trace = composed(server)
    assert server.faults == []
    assert change[0] not in trace.rounds[0].draft.plan
    assert trace.answer is not None and trace.answer.backend == author
    assert "policy { use: commercial }" in trace.answer.plan
    assert {"zoo/base", "zoo/neon", "zoo/watercolor"} == set(trace.answer.experts)


def test_the_command_line_shows_no_key(project: Path) -> None:
    def run(server: Server, *more: str) -> tuple[int, str]:
        line = ["compose", TEXT, "--backend", "openai", "--model", "writer", "--base-url", server.url, *more]
        result = CliRunner().invoke(app, line)
        return result.exit_code, result.output

    said = {"--yes": ("--yes", "--trace", "trace.json", "--report", "report", "-o", "cat.mosaic")}
    with Server(able, key=KEY) as server:
        code, shown = run(server, *said["--yes"])
        assert code == 0 and Path("cat.mosaic").is_file(), shown
        refused, told = run(server)
        assert refused == 2 and "M865" in told
    with Server([Fails(401, echo=True)], key=KEY) as server:
        code, failed = run(server, "--yes", "--json")
        assert code == 2 and "M863" in failed
    written = [path.read_bytes() for path in project.rglob("*") if path.is_file()]
    assert len(written) >= 3
    assert all(KEY.encode() not in data for data in written)
    assert KEY not in shown + told + failed


def test_nothing_is_asked_that_nobody_allowed(project: Path) -> None:
    (project / "mosaic.toml").write_text('[compose]\nmodel = "writer"\nlimit_tokens = 1000\n')
    with Server(able, key=KEY) as server, pytest.raises(MosaicError, match="M865"):
        composed(server, yes=False)
    assert server.requests == []


def test_the_limit_is_held_during_the_work(project: Path) -> None:
    (project / "mosaic.toml").write_text('[compose]\nmodel = "writer"\n')
    with Server(able, key=KEY) as server, pytest.raises(MosaicError, match="M865"):
        composed(server, limit=500)
    assert len(server.requests) == 1


def test_an_endpoint_that_fails_is_told(project: Path) -> None:
    (project / "mosaic.toml").write_text('[compose]\nmodel = "writer"\n')
    with Server([Fails(401, echo=True)], key=KEY) as server, pytest.raises(MosaicError) as raised:
        composed(server)
    assert [found.code for found in raised.value.diagnostics] == ["M863"]
    assert KEY not in str(raised.value)
