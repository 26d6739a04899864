"""Plans under a budget: the best operator that keeps it, and what is said where none does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import pytest

from mosaic.compiler import Compiled, compile
from mosaic.compiler.budgeting import duration, memory
from mosaic.compiler.cost.fidelity import Fidelity, Measured
from mosaic.compiler.cost.profile import Profile, Rates
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.pins import Pins
from mosaic.compiler.source import SourceFile
from mosaic.project import Project

SLOW = Rates(1e10, 1e10, 1e10, 1e9)
PROFILE = Profile(
    name="a test's device",
    device="cpu",
    dtype="float32",
    memory=2**33,
    rates=SLOW,
    single=SLOW,
    bandwidth=1e10,
    transfer=1e10,
    disk=1e9,
    launch=1e-5,
    step=1e-3,
    module=1e-5,
    touch=1e-5,
    save=1e-3,
    png=1e7,
    merge={"adds": 1e-9, "measures": 2e-8, "ranks": 1e-7, "draws": 1e-7, "sorts": 2e-7},
)
THREE = ("character", "clothes", "style")
TABLE = Fidelity(
    tuple(
        Measured(operator, categories, share, share, share, 30)
        for categories in (THREE, ("character", "style"))
        for operator, share in (("guidance", 0.9), ("composite", 0.8), ("balance", 0.6), ("sum", 0.5))
    ),
    "a test",
)


def plan(budget: str = "", via: str = "", more: str = "", operands: str = "ghost, neon, hat") -> str:
    return f"""mosaic 1
    plan p {{
      budget {{ {budget} }}
      let base = checkpoint("zoo/base")
      let ghost = lora("zoo/ghost")
      let neon = lora("zoo/neon")
      let hat = lora("zoo/hat")
      let look = fuse(base, {operands}{via and ", via: " + via})
      emit sample(look, prompt: "a red {{ghost}} {{neon}} {{hat}}", size: 64x64, guidance: 3) as "p.png"
      {more}
    }}"""


def compiled(text: str, *, profile: Profile | None = PROFILE, alternatives: int = 0) -> Compiled:
    source = SourceFile("<test>", text)
    context = replace(Project().context(source), fidelity=TABLE, profile=profile)
    return compile(source, context, alternatives=alternatives)


def operators(text: str, **given: int) -> list[str]:
    found = compiled(text, **given)
    assert not found.has_errors, [d.message() for d in found.diagnostics]
    return [choice.operator for choice in found.choices["p"]]


def needs() -> Mapping[str, float]:
    """The latency of each operator by itself."""
    decision = compiled(plan(), alternatives=20).decisions["p"]
    return {each.operators[0]: each.need.latency for each in decision.priced}


def message(text: str, code: str) -> Diagnostic:
    (found,) = [d for d in compiled(text).diagnostics if d.code == code]
    return found


def test_without_a_budget_the_best_is_taken_whatever_it_costs() -> None:
    assert operators(plan()) == ["guidance"]


def test_dearer_operators_are_predicted_to_take_longer() -> None:
    found = needs()
    assert list(found) == ["guidance", "composite", "balance", "sum"], "in the order of fidelity"
    assert all(dear > cheap for dear, cheap in pairwise(found.values()))


@pytest.mark.parametrize(
    ("limited", "expected"), [("guidance", "guidance"), ("composite", "composite"), ("balance", "balance")]
)
def test_a_ladder_of_budgets_buys_fidelity(limited: str, expected: str) -> None:
    limit = needs()[limited] * 1.001
    assert operators(plan(f"latency: {1000 * limit:.3f}ms")) == [expected]


def test_a_budget_that_nothing_keeps_is_an_error_with_what_would_do() -> None:
    text = plan("latency: 1ms")
    found = message(text, "M602")
    cheapest = min(needs().values())
    (fix,) = found.fixes()
    (edit,) = fix.edits
    assert text[edit.span.start : edit.span.end] == "1ms"
    assert edit.replacement == duration(cheapest, up=True)
    mended = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    assert operators(mended) == ["sum"]


def test_memory_is_a_limit_of_its_own() -> None:
    found = message(plan("memory: 1MiB"), "M602")
    assert "`memory`" in found.message()
    assert operators(plan("memory: 8GiB")) == ["guidance"]


def test_quality_is_a_floor_under_what_latency_asks_for() -> None:
    limit = f"latency: {1000 * needs()['balance'] * 1.001:.3f}ms"
    assert operators(plan(f"{limit}, quality: 60%")) == ["balance"]
    found = compiled(plan(f"{limit}, quality: 80%"))
    assert {d.code for d in found.diagnostics if d.code.startswith("M60")} & {"M602", "M603"}
    poor = message(plan("quality: 80%", via="[balance, sum]"), "M603")
    assert "the plan does not reach a `quality` of 80%" in poor.message()
    assert poor.fixes()[0].edits[0].replacement == "66%"


@pytest.mark.parametrize("profile", [PROFILE, None])
def test_a_quality_of_what_was_never_measured_is_not_passed_over(profile: Profile | None) -> None:
    found = compiled(plan("quality: 80%", via="ties"), profile=profile)
    assert [d.message() for d in found.diagnostics if d.code == "M601"] == [
        "the budget is not judged: nothing was measured of zoo/ghost + zoo/neon + zoo/hat by ties"
    ]


def test_pinned_operators_are_judged_and_not_changed() -> None:
    assert message(plan("latency: 1ms", via="composite"), "M602")
    assert operators(plan("latency: 10min", via="sum")) == ["sum"]


def test_a_lock_holds_whatever_the_device_and_the_budget_are() -> None:
    names = compiled(plan()).choices["p"][0].operands
    source = SourceFile("<test>", plan("latency: 10min"))
    pins = Pins(operators={names: "balance"}, place="mosaic.lock")
    context = replace(Project().context(source), fidelity=TABLE, profile=PROFILE, pins=pins)
    (choice,) = compile(source, context).choices["p"]
    assert (choice.operator, choice.reason) == ("balance", "as locked")
    tight = SourceFile("<test>", plan("latency: 1ms"))
    (found,) = [d for d in compile(tight, context).diagnostics if d.code == "M602"]
    assert "by balance" in found.help()[0], "no other operator is thought of"


def test_fusions_are_chosen_together() -> None:
    second = (
        'emit sample(fuse(base, ghost, neon), prompt: "{ghost} {neon}", size: 64x64, guidance: 3) as "q.png"'
    )
    both = operators(plan(more=second))
    assert both == ["guidance", "guidance"]
    # Limits are of each emit, so the one with three experts gives way first.
    limit = needs()["guidance"] * 0.99
    assert operators(plan(f"latency: {1000 * limit:.3f}ms", more=second)) == ["composite", "guidance"]


def test_without_a_profile_a_note_says_that_nothing_is_judged() -> None:
    found = compiled(plan("latency: 1ms"), profile=None)
    assert [d.code for d in found.diagnostics if d.code.startswith("M6")] == ["M601"]
    assert not found.has_errors


def test_a_plans_budget_goes_before_the_files() -> None:
    text = plan("latency: 10min").replace("plan p", "budget { latency: 1ms, memory: 1MiB }\n    plan p")
    found = [d for d in compiled(text).diagnostics if d.code == "M602"]
    assert ["memory" in d.message() for d in found] == [True]


@pytest.mark.parametrize("entry", ["latency: 0s", "memory: 0GiB", "quality: 130%"])
def test_limits_are_sensible(entry: str) -> None:
    assert message(plan(entry), "M305")


def test_what_is_spelled_reads_back_as_at_least_as_much() -> None:
    assert duration(0.1001, up=True) == "101ms"
    assert duration(1.0001, up=True) == "1.1s"
    assert memory(2**30 + 1, up=True) == "1.1GiB"
