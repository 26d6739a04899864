"""`mosaic.compose`: a request in plain words as a call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.agent.serving import Answer, Asked, Server, able

import mosaic
from mosaic.agent.offline.backend import OfflineBackend
from mosaic.agent.tracing import read_trace, to_json
from mosaic.agent.values import Brief, Draft
from mosaic.agent.world import World
from mosaic.project import Project

WISH = "a blue cat in the snow, watercolor"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "MOSAIC_COMPOSE_MODEL", "MOSAIC_COMPOSE_HOSTS"):
        monkeypatch.delenv(name, raising=False)


def codes(error: pytest.ExceptionInfo[mosaic.MosaicError]) -> list[str]:
    return [found.code for found in error.value.diagnostics]


def test_a_plan_and_how_it_came_to_be() -> None:
    composed = mosaic.compose(WISH, use="commercial", name="winter", seed=7, steps=4)
    assert composed.met and composed.unmet == ()
    assert {"zoo/snow", "zoo/watercolor"} <= set(composed.experts)
    assert "policy { use: commercial }" in composed.plan
    assert composed.plan == mosaic.fmt(composed.plan)
    (program,) = composed.compile().programs
    assert {expert.id for expert in program.experts} == set(composed.experts)
    assert (program.source.plan, program.rights.policy["use"]) == ("winter", "commercial")
    assert composed.explanation.count(". ") >= 1 and "zoo/snow" in composed.explanation
    trace = composed.trace
    assert trace.decomposition is not None and trace.shortlist is not None and trace.ranking is not None
    assert [each.compiles for each in trace.rounds][-1:] == [True]
    assert trace.usage.calls == 0


def test_the_same_request_gives_the_same_plan() -> None:
    first, second = (mosaic.compose(WISH).trace.model_copy(update={"seconds": {}}) for _ in range(2))
    assert to_json(first) == to_json(second)


def test_what_cannot_be_met_is_said_and_not_raised() -> None:
    composed = mosaic.compose("a blue cat riding a dinosaur")
    assert not composed.met and composed.plan
    assert [each.what for each in composed.unmet] == ["dinosaur"]
    assert composed.compile().programs


def test_no_plan_at_all() -> None:
    composed = mosaic.compose(WISH, family="flux")
    assert not composed.met and composed.plan == "" and composed.unmet
    with pytest.raises(mosaic.MosaicError) as caught:
        composed.compile()
    assert set(codes(caught)) == {"M861"}


def test_experts_by_name() -> None:
    assert "zoo/neon" in mosaic.compose("a blue cat", wanted="zoo/neon").experts
    assert "zoo/watercolor" not in mosaic.compose(WISH, without=["zoo/watercolor"]).experts
    assert mosaic.compose(WISH, base="zoo/base-b").experts[0] == "zoo/base-b"
    assert len(mosaic.compose(WISH, most=0).experts) == 1


def test_entries_are_spelled_as_the_language_spells_them() -> None:
    policy: dict[str, Any] = {"credit": True, "territory": "DE", "revenue": 0}
    plan = mosaic.compose(WISH, policy=policy, memory="8GiB").plan
    for wanted in ("credit: true", 'territory: "DE"', "revenue: 0", "memory: 8GiB"):
        assert wanted in plan


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"latency": "2 parsecs"}, "2 parsecs"),
        ({"latency": "2"}, "latency='2' means nothing: "),
        ({"latency": "2s, memory: 9GiB"}, "no value of `latency`"),
        ({"memory": "lots"}, "memory='lots' means nothing: "),
        ({"use": "commercial }\nplan x {"}, "no value of `use`"),
        ({"memory": "8GiB", "use": "evil"}, "use='evil' means nothing: "),
        ({"rating": "XXL"}, "XXL"),
        ({"policy": {"usee": "commercial"}}, "did you mean 'use'"),
        ({"budget": {"money": 3}}, "there are: latency"),
        ({"use": "personal", "policy": {"use": "commercial"}}, "one of them"),
        ({"seed": -1}, "seed"),
        ({"most": 99}, "most"),
        ({"steps": 0}, "steps"),
        ({"size": "big"}, "64x64"),
        ({"device": "abacus"}, "abacus"),
    ],
)
def test_arguments_that_mean_nothing(wishes: dict[str, Any], words: str) -> None:
    with pytest.raises(mosaic.UsageError) as caught:
        mosaic.compose(WISH, **wishes)
    assert words in str(caught.value)
    assert not isinstance(caught.value.__cause__, Exception)


@pytest.mark.parametrize("request_", ["", "  \n", "x" * 2001])
def test_requests_that_are_none(request_: str) -> None:
    with pytest.raises(mosaic.UsageError):
        mosaic.compose(request_)


def test_a_model_is_asked_only_when_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "mosaic.toml").write_text('[compose]\nbackend = "openai"\nmodel = "tiny-writer"\n')
    assert mosaic.compose(WISH).trace.backend == "offline"
    for backend in ("openai", "oracle"):
        with pytest.raises(mosaic.MosaicError) as caught:
            mosaic.compose(WISH, backend=backend)
        assert codes(caught) == ["M862"]


def test_a_model_behind_an_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-planted-0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", key)

    def clumsy(asked: Asked) -> Answer:
        """A model whose first draft misspells a verb, and names an expert that there is not."""
        answer = able(asked)
        assert isinstance(answer, str)
        is_first = not asked.reads and len(server.requests) == 2
        return answer.replace("fuse(", "fuze(").replace("zoo/snow", "zoo/dragon") if is_first else answer

    with Server(clumsy, key=key) as server:
        wishes: dict[str, Any] = {"backend": "openai", "model": "tiny-writer", "base_url": server.url}
        for limit in (None, 100):
            with pytest.raises(mosaic.MosaicError) as caught:
                mosaic.compose(WISH, limit_tokens=limit, **wishes)
            assert codes(caught) == ["M865"]
        assert server.requests == []
        composed = mosaic.compose(WISH, use="commercial", yes=True, **wishes)
        assert server.faults == []
    assert composed.trace.usage.calls == len(server.requests) >= 2
    first, last = composed.trace.rounds
    assert not first.compiles and last.compiles and "zoo/dragon" in first.draft.plan
    assert composed.met and composed.plan == last.plan and "policy { use: commercial }" in composed.plan
    assert composed.compile().programs
    page = composed.report(tmp_path / "report")
    text = page.read_text(encoding="utf-8")
    for wanted in (
        "written by openai, tiny-writer",
        "zoo/dragon",
        "error[M",
        f"{len(server.requests)} of at most",
    ):
        assert wanted in text
    assert all("sk-planted" not in file.read_text(encoding="utf-8") for file in page.parent.iterdir())


class Careful(OfflineBackend):
    """A backend of one's own: it counts what it is asked for."""

    name = "careful"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.asked: list[str] = []

    def draft(self, brief: Brief) -> Draft:
        """As without a model, and noted."""
        self.asked.append(brief.request.text)
        return super().draft(brief)


def test_a_backend_of_ones_own() -> None:
    with Project() as project:
        backend = Careful(World(project))
        composed = mosaic.compose(WISH, backend=backend)
    assert backend.asked == [WISH]
    assert (composed.trace.backend, composed.plan) == ("careful", mosaic.compose(WISH).plan)


def test_the_page_and_the_trace(tmp_path: Path) -> None:
    composed = mosaic.compose(WISH, steps=2)
    outcome = mosaic.run(composed.plan, output=tmp_path / "out", cache=False)
    page = composed.report(tmp_path / "report", [file.path for file in outcome.files])
    text = page.read_text(encoding="utf-8")
    assert "data:image/png;base64," in text and "zoo/watercolor" in text
    assert read_trace(page.with_suffix(".json")) == composed.trace
    assert json.loads(page.with_suffix(".json").read_text())["answer"]["plan"] == composed.plan
