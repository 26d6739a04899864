"""Drafts, held and mended until they compile, or until there is no hope."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
from tests.agent.scripted import Scripted, brief_of

from mosaic.agent.asking import request_of
from mosaic.agent.holding import LONGEST_PLAN
from mosaic.agent.offline.backend import OfflineBackend
from mosaic.agent.repairing import DIAGNOSTICS, ROUNDS, as_json, repair
from mosaic.agent.spending import Spend
from mosaic.agent.values import Brief, Draft, Round, Usage
from mosaic.agent.world import World
from mosaic.compiler import Compiled
from mosaic.compiler.diagnostic import Diagnostic, Edit, Fix, MosaicError
from mosaic.compiler.errors.models import AnswerUnusable
from mosaic.project import Project

PLAN = """\
mosaic 1

policy { rating: general }

plan picture {
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")

  let look  = fuse(base, neon)
  let image = sample(look, prompt: "a red cat, {neon}", steps: 10, guidance: 3, size: 64x64)

  emit image as "picture.png"
}
"""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Project() as project:
        yield World(project)


@pytest.fixture(scope="module")
def brief(world: World) -> Brief:
    return brief_of(request_of("a red cat, neon style", policy={"rating": "general"}), world)


def codes(each: Round) -> list[str]:
    return [str(found["code"]) for found in each.diagnostics]


def test_what_compiles_is_taken(brief: Brief, world: World) -> None:
    backend = Scripted(PLAN)
    done = repair(backend, brief, world)
    assert done.plan == PLAN
    assert done.compiled is not None and [each.id for each in done.compiled.programs[0].experts] == [
        "zoo/base",
        "zoo/neon",
    ]
    (only,) = done.rounds
    assert only.compiles and only.number == 1 and only.draft.plan == PLAN and only.held == only.made == ()
    assert backend.asked == [()]


def test_plans_of_the_offline_backend_are_taken_as_they_are(brief: Brief, world: World) -> None:
    done = repair(OfflineBackend(world), brief, world)
    assert done.plan == brief.ranking.combinations[0].plan
    assert done.rounds[0].held == done.rounds[0].made == ()


def test_what_does_not_compile_goes_back_with_what_is_wrong(brief: Brief, world: World) -> None:
    broken = PLAN.replace("steps: 10", "steps: 10, step: 3")
    backend = Scripted(broken, PLAN)
    told: list[str] = []
    done = repair(backend, brief, world, tell=told.append)
    assert done.plan == PLAN and [each.compiles for each in done.rounds] == [False, True]
    assert backend.asked[1] == done.rounds[:1]
    assert told == ["mending the plan"]
    (mistake,) = done.rounds[0].diagnostics
    assert mistake["code"] == "M204" and mistake["candidates"][0] == "steps"
    assert mistake["source"].strip().startswith("let image = sample(") and "step: 3" in mistake["source"]
    assert mistake["line"] == done.rounds[0].plan.split("\n").index(mistake["source"]) + 1


def test_safe_fixes_are_made_by_machine(brief: Brief, world: World) -> None:
    careless = PLAN.replace('"zoo/neon")\n', '"zoo/neon");\n').replace("mosaic 1\n\n", "// hello\n", 1)
    done = repair(Scripted(careless), brief, world)
    assert done.plan is not None and len(done.rounds) == 1
    assert "# hello" in done.plan and ";" not in done.plan
    assert any(each.startswith("M114: ") for each in done.rounds[0].made)


def test_what_a_fix_brings_to_light_is_held(brief: Brief, world: World) -> None:
    """The text cannot be read at first, and its policy not be seen."""
    sly = PLAN.replace("policy { rating: general }", "policy { rating: any };\nbudget { latency: 999s };")
    done = repair(Scripted(sly), brief, world)
    assert done.plan == PLAN
    assert "taken out: `policy { rating: any }`" in done.rounds[0].held
    reading = PLAN.replace('lora("zoo/neon")\n', 'find(lora, "neon");\n')
    again = repair(Scripted(reading), brief, world)
    assert again.plan is None and codes(again.rounds[0]) == ["M867"]


@pytest.mark.parametrize(
    ("said", "rounds"),
    [
        (("nothing",), 2),  # the same text again
        (
            (PLAN.replace("fuse(", "fuze("), PLAN.replace("fuse(", "fuze(") + "# sorry\n"),
            2,
        ),  # the same mistakes
        (tuple(PLAN.replace("fuse(", f"fu{n}e(") for n in range(9)), ROUNDS),
        (
            (
                PLAN.replace("fuse(", "fuze("),
                PLAN.replace("sample(", "simple("),
                PLAN.replace("fuse(", "fuze("),
            ),
            3,
        ),
    ],
)
def test_it_ends(said: tuple[str, ...], rounds: int, brief: Brief, world: World) -> None:
    backend = Scripted(*said)
    done = repair(backend, brief, world)
    assert done.plan is None and done.compiled is None
    assert [each.number for each in done.rounds] == list(range(1, rounds + 1))
    assert len(backend.asked) == rounds <= ROUNDS


def test_the_limits_are_never_the_way_out(world: World) -> None:
    """A policy under which the plan's words are refused, and writers that try to get rid of it."""
    brief = brief_of(request_of("a red cat, neon style", policy={"rating": "general"}), world)
    rude = PLAN.replace("a red cat", "a naked cat")
    tries = (rude, rude.replace("general", "any"), rude.replace("policy { rating: general }\n", ""))
    for said in (tries, tries[1:], tries[2:]):
        done = repair(Scripted(*said), brief, world)
        assert done.plan is None
        for each in done.rounds:
            assert "policy { rating: general }" in each.plan and codes(each)[0].startswith("M5")


def test_a_budget_that_nothing_keeps(world: World) -> None:
    with Project(device="rtx-4090") as project:
        priced = World(project)
        request = request_of("a neon cat", budget={"latency": "1ms"})
        loose = PLAN.replace("policy { rating: general }", "budget { latency: 999s }")
        done = repair(Scripted(loose, loose.replace("999s", "9s")), brief_of(request, priced), priced)
        assert done.plan is None and len(done.rounds) == 2
        for each in done.rounds:
            assert "budget { latency: 1ms }" in each.plan and codes(each) == ["M602"]


def test_what_is_refused_is_not_even_opened(
    brief: Brief, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    opened: list[str] = []
    listening = [True]

    def listen(event: str, arguments: tuple[object, ...]) -> None:
        if listening and event in ("open", "os.listdir", "os.scandir"):
            opened.append(str(arguments[0]))

    for name in ("secret.safetensors", "secret.png", "secret.mosaic"):
        (tmp_path / name).write_bytes(b"mosaic 1\n")
    lines = (
        ('lora("zoo/neon")', 'lora("./secret.safetensors")'),
        ('lora("zoo/neon")', f'lora("{tmp_path}/secret.safetensors")'),
        ("fuse(base, neon)", 'fuse(base, neon in mask("secret.png"))'),
        ("sample(look,", 'refine(look, load_image("secret.png"), strength: 0.5,'),
        ("plan picture", 'use "./secret.mosaic"\n\nplan picture'),
    )
    sys.addaudithook(listen)
    try:
        (tmp_path / "secret.png").read_bytes()
        assert any("secret" in path for path in opened)  # it listens
        opened.clear()
        for before, after in lines:
            done = repair(Scripted(PLAN.replace(before, after)), brief, world)
            assert done.plan is None and codes(done.rounds[0])[0] in ("M866", "M867")
    finally:
        listening.clear()
    assert not any("secret" in path for path in opened)


@dataclass(frozen=True)
class Tempting(Diagnostic):
    """A diagnostic whose safe fix is no good."""

    code: ClassVar[str] = "M602"
    title: ClassVar[str] = "too much"

    edits: tuple[tuple[str, str], ...]

    def fixes(self) -> tuple[Fix, ...]:
        assert self.span is not None
        text, source = self.span.source.text, self.span.source
        spans = [(source.span(text.index(old), text.index(old) + len(old)), new) for old, new in self.edits]
        return (Fix("do it", tuple(Edit(span, new) for span, new in spans)),)


class TemptingWorld(World):
    """A compiler that offers something, and calls the plan sound once it is done."""

    edits: tuple[tuple[str, str], ...] = ()

    def compile(self, plan: str) -> Compiled:
        """With a mistake, while what it offers can still be done."""
        done = super().compile(plan)
        if not all(old in plan for old, _ in self.edits):
            return done
        source = self.source(plan)
        return replace(done, diagnostics=(Tempting(source.span(0, 8), self.edits),), programs=())


@pytest.mark.parametrize(
    "edits",
    [
        (("policy { rating: general }", ""),),
        (("rating: general", "rating: any"),),
        (("plan picture {", "plan picture {\n  policy { rating: any }"),),
        (('"zoo/neon"', '"zoo/hat"'),),
        (('lora("zoo/neon")', 'find(lora, "hat")'),),
        (('lora("zoo/neon")', 'lora("./neon.safetensors")'),),
        (("plan picture {", 'use "./x.mosaic"\n\nplan picture {'),),
    ],
)
def test_no_fix_leads_out_of_the_request(edits: tuple[tuple[str, str], ...], brief: Brief) -> None:
    with Project() as project:
        world = TemptingWorld(project)
        world.edits = edits
        done = repair(Scripted(PLAN), brief, world)
    assert done.plan is None and done.rounds[0].made == ()
    assert done.rounds[0].plan == PLAN


def test_a_fix_that_keeps_to_the_request_is_made(brief: Brief) -> None:
    with Project() as project:
        world = TemptingWorld(project)
        world.edits = (("steps: 10", "steps: 8"),)
        done = repair(Scripted(PLAN), brief, world)
    assert done.plan == PLAN.replace("steps: 10", "steps: 8") and done.rounds[0].made == ("M602: do it",)


def test_what_was_spent_is_counted_and_limits_end_it(brief: Brief, world: World) -> None:
    spend = Spend(1000)
    repair(Scripted("x", "y", PLAN), brief, world, spend=spend)
    assert spend.spent == Usage(calls=3, input_tokens=300, output_tokens=30)


def test_a_model_that_cannot_be_asked_again(brief: Brief, world: World) -> None:
    error = MosaicError(AnswerUnusable(None, "script", "it is empty"))
    done = repair(Scripted("nothing", error), brief, world)
    assert done.plan is None and len(done.rounds) == 1
    assert [each.code for each in done.stopped] == ["M864"]
    with pytest.raises(MosaicError, match="M864"):
        repair(Scripted(error), brief, world)


def test_experts_that_were_insisted_on_are_there(world: World) -> None:
    request = request_of("a red cat, neon style", policy={"rating": "general"}, wanted=["zoo/neon"])
    without = PLAN.replace("fuse(base, neon)", "fuse(base)").replace(", {neon}", "")
    done = repair(Scripted(without, PLAN), brief_of(request, world), world)
    assert done.plan == PLAN and codes(done.rounds[0])[0] == "M868"
    assert "`zoo/neon`" in done.rounds[0].diagnostics[0]["message"]


def test_at_most_eight_of_them_errors_first(brief: Brief, world: World) -> None:
    lines = "".join(f'  let x{n} = lora("zoo/nope{n}")\n' for n in range(20))
    done = repair(Scripted(PLAN.replace("  let look ", f"{lines}  let look ")), brief, world)
    assert len(done.rounds[0].diagnostics) == DIAGNOSTICS
    unused = "".join(f'  let y{n} = lora("zoo/neon")\n' for n in range(20))
    done = repair(
        Scripted(PLAN.replace("  let look ", f"{unused}  let look ").replace("fuse(", "fuze(")), brief, world
    )
    found = done.rounds[0].diagnostics
    assert found[0]["severity"] == "error" and len(found) <= DIAGNOSTICS
    assert [each["severity"] == "error" for each in found] == sorted(
        (each["severity"] == "error" for each in found), reverse=True
    )


@pytest.mark.parametrize(
    "text", ["\ud800", "\x00" * 9000, "{" * 40_000, "mosaic 1\n" * 20_000, "\u202e" * 4000, "a " * 16_000]
)
def test_rounds_are_bounded_and_valid(text: str, brief: Brief, world: World) -> None:
    for plan in (text, PLAN.replace("a red cat", text), PLAN.replace("zoo/neon", text)):
        done = repair(Scripted(Draft(plan=plan)), brief, world)
        for each in done.rounds:
            written = each.model_dump_json()
            assert Round.model_validate_json(written) == each
            assert len(written) < 12 * LONGEST_PLAN
            assert len(json.dumps(each.diagnostics)) < 60_000


def test_a_diagnostic_for_a_model(world: World) -> None:
    (found,) = world.compile(PLAN.replace("64x64", "64x")).diagnostics[:1]
    entry = as_json(found)
    assert {"code", "severity", "message", "line", "column", "source", "help", "fixes"} <= entry.keys()
    assert json.loads(json.dumps(entry)) == entry
