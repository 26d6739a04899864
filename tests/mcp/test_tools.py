"""The tools of `mosaic mcp`, as a client sees and uses them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.mcp.talking import PLAN, answer, asked, call, run

import mosaic
from mosaic.agent.prompting import render
from mosaic.compiler.explain import diagnostics
from mosaic.compiler.source import SourceFile
from mosaic.grammar import grammar_text
from mosaic.mcp.server import Service
from mosaic.mcp.values import Acknowledgement
from mosaic.mcp.workbench import Options

TOOLS = [
    "catalog_search",
    "catalog_get",
    "catalog_compatible",
    "grammar",
    "compile_plan",
    "fix_plan",
    "explain",
    "diff_plans",
    "estimate_cost",
    "compose_plan",
    "get_job",
    "get_report",
    "run_plan",
]


def test_every_tool_says_what_it_takes_and_gives(service: Service) -> None:
    tools = asked(service, lambda client: client.list_tools()).tools
    assert [tool.name for tool in tools] == TOOLS
    for tool in tools:
        assert len(tool.description) > 80, tool.name
        assert tool.output_schema["type"] == "object" and tool.output_schema["properties"], tool.name
        for name, given in tool.input_schema.get("properties", {}).items():
            assert given.get("description"), (tool.name, name)
        hints = tool.annotations
        assert hints.read_only_hint is (tool.name != "run_plan")
        assert hints.destructive_hint is False and hints.open_world_hint is False
        assert hints.idempotent_hint is (tool.name != "run_plan")


def test_from_words_to_a_picture(service: Service, tmp_path: Path) -> None:
    found = answer(service, "catalog_search", words="neon", kind="lora")["experts"]
    assert found[0]["id"] == "zoo/neon"
    card = answer(service, "catalog_get", id="zoo/neon")
    assert card["expert"]["trigger"] == "neon style" and "zoo/base" in card["bases"]
    fitting = answer(service, "catalog_compatible", base="zoo/base", words="neon")["experts"]
    assert [expert["id"] for expert in fitting][:1] == ["zoo/neon"]

    broken = PLAN.replace("zoo/neon", "zoo/neno").replace("let base ", "let base  ")
    compiled = answer(service, "compile_plan", plan=broken)
    assert not compiled["ok"] and compiled["plans"] == []
    (mistake,) = compiled["diagnostics"]
    assert (mistake["code"], mistake["line"], mistake["column"]) == ("M210", 7, 19)
    assert "M210" in answer(service, "explain", topic="M210")["text"]
    fixed = answer(service, "fix_plan", plan=broken, unsafe=True)
    assert fixed["ok"] and fixed["diagnostics"] == [] and fixed["made"] == ["M210: use `zoo/neon`"]
    assert 'lora("zoo/neon")' in fixed["plan"]

    compiled = answer(service, "compile_plan", plan=fixed["plan"], parameters={"seed": 2})
    (plan,) = compiled["plans"]
    assert compiled["ok"] and plan["experts"] == ["zoo/base", "zoo/neon"] and plan["emits"] == ["cat.png"]
    assert plan["choices"][0]["operator"] == "sum" and plan["parameters"] == {"seed": 2}
    again = answer(service, "run_plan", plan=fixed["plan"], parameters={"seed": 2})
    assert not again["accepted"] and again["job"] is None
    assert again["acknowledgement"]["programs"] == [plan["digest"]]
    begun = answer(
        service,
        "run_plan",
        plan=fixed["plan"],
        parameters={"seed": 2},
        acknowledged_cost=again["acknowledgement"],
    )
    job = answer(service, "get_job", job=begun["job"], wait_seconds=30)
    assert job["state"] == "done" and job["evaluations"] == 2
    (file,) = job["files"]
    assert (file["name"], file["type"]) == ("cat.png", "image")

    outcome = mosaic.run(
        SourceFile("<plan>", fixed["plan"]), output=tmp_path, parameters={"seed": 2}, cache=False
    )
    made = outcome.files[0].path.read_bytes()
    assert Path(file["path"]).read_bytes() == made
    assert (file["sha256"], file["bytes"]) == (outcome.files[0].sha256, len(made))
    result = call(service, "get_report", job=job["job"], pictures=True)
    text, picture = result.content
    assert base64.b64decode(picture.data) == made and picture.mime_type == "image/png"
    assert result.structured_content == json.loads(text.text)
    (report,) = result.structured_content["reports"]
    assert report["program"] == plan["digest"] and report["plan"] == "cat"
    assert [expert["id"] for expert in report["experts"]] == plan["experts"]


def test_several_plans_run_into_folders_of_their_own(service: Service) -> None:
    second = PLAN[PLAN.index("plan cat") :].replace("plan cat", "plan dog").replace("a red cat", "a red dog")
    text = f"{PLAN}\n{second}"
    job = answer(service, "get_job", job=run(service, text), wait_seconds=30)
    assert [file["name"] for file in job["files"]] == ["cat/cat.png", "dog/cat.png"]
    reports = answer(service, "get_report", job=job["job"])
    assert [report["plan"] for report in reports["reports"]] == ["cat", "dog"]
    one = answer(service, "compile_plan", plan=text, only="dog")
    assert [plan["plan"] for plan in one["plans"]] == ["dog"]


def test_what_two_plans_differ_in(service: Service) -> None:
    changed = answer(service, "diff_plans", old=PLAN, new=PLAN.replace("steps: 2", "steps: 3"))
    assert changed["ok"] and changed["differs"] and "steps of sample" in changed["text"]
    renamed = answer(
        service,
        "diff_plans",
        old=PLAN,
        new=PLAN.replace("neon =", "glow =").replace("neon *", "glow *").replace("{neon}", "{glow}"),
    )
    assert renamed["differs"] is False
    broken = answer(service, "diff_plans", old=PLAN, new="mosaic 1\nplan {")
    assert not broken["ok"] and broken["diagnostics"][0]["code"].startswith("M1")


def test_costs_are_told_for_a_device_and_for_none(service: Service) -> None:
    there = answer(service, "estimate_cost", plan=PLAN, device="h100")
    cost = there["costs"]["cat"]
    assert not cost["measured"] and 0 < cost["warm"]["p50"] <= cost["warm"]["p90"] < cost["cold"]["p90"]
    assert cost["peak_bytes"] > 1e6 and there["acknowledgement"]["seconds"] == cost["cold"]["p90"]
    here = answer(service, "estimate_cost", plan=PLAN)
    assert (
        here["costs"]["cat"]["warm"] is None
        and here["costs"]["cat"]["evaluations"] == cost["evaluations"] == 2
    )
    assert "not measured" in here["note"] and here["acknowledgement"]["seconds"] is None


def test_a_measured_device_is_told_so(tmp_path: Path) -> None:
    profile = json.loads(Path("stdlib/profiles/cpu-8.json").read_text(encoding="utf-8"))
    place = tmp_path / "mine.json"
    place.write_text(json.dumps(profile | {"name": "mine", "is_estimate": False}), encoding="utf-8")
    with Service(Options(device=str(place))) as service:
        told = answer(service, "estimate_cost", plan=PLAN)
        assert told["acknowledgement"]["measured"] and told["acknowledgement"]["device"] == "mine"
        assert told["note"] == ""
        cheaper = told["acknowledgement"] | {"seconds": told["acknowledgement"]["seconds"] / 1.3}
        refused = answer(service, "run_plan", plan=PLAN, acknowledged_cost=cheaper)
        assert not refused["accepted"] and "grown" in refused["refused"]
        near = told["acknowledgement"] | {"seconds": told["acknowledgement"]["seconds"] / 1.2}
        assert answer(service, "run_plan", plan=PLAN, acknowledged_cost=near)["accepted"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"programs": ["sha256:0"]}, "another program"),
        ({"device": "h100"}, "another device"),
        ({"evaluations": 1}, "grown"),
        ({"evaluations": None}, "grown"),
    ],
)
def test_other_acknowledgements_are_refused(service: Service, change: dict[str, Any], said: str) -> None:
    price = answer(service, "estimate_cost", plan=PLAN)["acknowledgement"]
    told = answer(service, "run_plan", plan=PLAN, acknowledged_cost=price | change)
    assert not told["accepted"] and said in told["refused"] and told["acknowledgement"] == price


def test_another_seed_is_another_program(service: Service) -> None:
    price = answer(service, "estimate_cost", plan=PLAN)["acknowledgement"]
    told = answer(service, "run_plan", plan=PLAN, parameters={"seed": 9}, acknowledged_cost=price)
    assert not told["accepted"] and "another program" in told["refused"]
    assert Acknowledgement.model_validate(told["acknowledgement"]).programs != price["programs"]


def test_a_request_in_plain_words(service: Service) -> None:
    told = answer(service, "compose_plan", request="a blue cat in the snow, watercolor", use="commercial")
    assert told["met"] and {"zoo/snow", "zoo/watercolor"} <= set(told["experts"])
    assert "policy { use: commercial }" in told["plan"]
    assert answer(service, "compile_plan", plan=told["plan"])["ok"]
    nearest = answer(service, "compose_plan", request="a blue cat riding a dinosaur")
    assert not nearest["met"] and [each["what"] for each in nearest["unmet"]] == ["dinosaur"]


def test_resources(service: Service) -> None:
    def read(uri: str) -> str:
        return str(asked(service, lambda client: client.read_resource(uri)).contents[0].text)

    listed = asked(service, lambda client: client.list_resources()).resources
    assert {str(each.uri) for each in listed} == {
        "mosaic://grammar",
        "mosaic://grammar/llm",
        "mosaic://language",
        "mosaic://diagnostics",
    }
    assert all(each.description for each in listed)
    assert read("mosaic://grammar") == grammar_text()
    assert read("mosaic://grammar/llm") == answer(service, "grammar", target="llm")["text"]
    assert read("mosaic://language") == render("language.j2")
    codes = [each["code"] for each in json.loads(read("mosaic://diagnostics"))]
    assert codes == [kind.code for kind in diagnostics()]
    (template,) = asked(service, lambda client: client.list_resource_templates()).resource_templates
    assert template.uri_template == "mosaic://diagnostics/{code}"
    assert read("mosaic://diagnostics/M302").startswith("M302 (error)")


def test_answers_are_as_their_schemas_say(service: Service) -> None:
    schemas = {tool.name: tool.output_schema for tool in asked(service, lambda c: c.list_tools()).tools}
    for tool, arguments in (
        ("catalog_search", {"words": "cat"}),
        ("catalog_get", {"id": "zoo/base"}),
        ("compile_plan", {"plan": PLAN, "device": "h100"}),
        ("compile_plan", {"plan": "mosaic 1\nplan p {\n"}),
        ("run_plan", {"plan": PLAN}),
        ("diff_plans", {"old": PLAN, "new": PLAN}),
    ):
        jsonschema.validate(answer(service, tool, **arguments), schemas[tool])
