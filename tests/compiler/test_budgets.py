"""Plans under a budget: the best operator that keeps it, and what is said where none does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.compiler import Compiled, compile
from mosaic.compiler.budgeting import duration, memory
from mosaic.compiler.cost.fidelity import Fidelity, Measured
from mosaic.compiler.cost.profile import Profile, Rates
from mosaic.compiler.decide import Need
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


def plan(
    budget: str = "", via: str = "", more: str = "", operands: str = "ghost, neon, hat", run: str = ""
) -> str:
    return f"""mosaic 1
    plan p {{
      budget {{ {budget} }}
      let base = checkpoint("zoo/base")
      let ghost = lora("zoo/ghost")
      let neon = lora("zoo/neon")
      let hat = lora("zoo/hat")
      let look = fuse(base, {operands}{via and ", via: " + via})
      emit sample(look, prompt: "a red {{ghost}} {{neon}} {{hat}}", size: 64x64, guidance: 3{run}) as "p.png"
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


# Ranges of steps


def stepped(steps: str, budget: str = "", via: str = "", more: str = "") -> str:
    return plan(budget, via, more, run=f", steps: {steps}")


def need(text: str, profile: Profile = PROFILE) -> Need:
    """What a plan of plain numbers needs."""
    chosen = compiled(text, profile=profile, alternatives=1).decisions["p"].chosen
    assert chosen is not None
    return chosen.need


def taken(text: str, profile: Profile | None = PROFILE) -> list[tuple[int, str]]:
    found = compiled(text, profile=profile)
    assert not found.has_errors, [d.message() for d in found.diagnostics]
    return [(each.number, each.reason) for each in found.steps["p"]]


def test_a_budget_takes_the_most_steps_that_keep_it() -> None:
    limit = need(stepped("20", via="sum")).latency * 1.0001
    assert need(stepped("21", via="sum")).latency > limit
    text = stepped("12..30", f"latency: {1000 * limit:.4f}ms", "sum")
    assert taken(text) == [(20, f"the most that keeps the latency of {duration(limit)}")]
    decision = compiled(text).decisions["p"]
    assert decision.chosen is not None and decision.chosen.steps == (20,)
    assert decision.chosen.need.latency <= limit
    (program,) = compiled(text).programs
    assert (
        program.digest == compiled(stepped("20", f"latency: {1000 * limit:.4f}ms", "sum")).programs[0].digest
    )


def test_a_budget_that_is_not_tight_takes_the_top() -> None:
    assert taken(stepped("12..30", "latency: 10min")) == [(30, "nothing asks for fewer")]
    assert taken(stepped("12..30", "quality: 80%")) == [(30, "nothing asks for fewer")]


def test_what_is_not_judged_takes_the_top() -> None:
    assert taken(stepped("12..30", "latency: 1ms"), profile=None) == [(30, "the budget is not judged")]
    assert taken(stepped("12..30"), profile=None) == [(30, "nothing asks for fewer")]


def test_memory_asks_for_no_fewer_steps() -> None:
    assert taken(stepped("12..30", "memory: 8GiB")) == [(30, "nothing asks for fewer")]


def test_operators_come_before_steps() -> None:
    """Fidelity is measured and what steps bring is not: the best operator with few steps, not a poor one with many."""
    limit = need(stepped("14", via="guidance")).latency * 1.0001
    assert need(stepped("30", via="sum")).latency < limit, (
        "a poorer operator would leave room for all of them"
    )
    text = stepped("12..30", f"latency: {1000 * limit:.4f}ms")
    assert operators(text) == ["guidance"]
    assert [number for number, _ in taken(text)] == [14]
    tight = need(stepped("12", via="guidance")).latency * 0.999
    assert operators(stepped("12..30", f"latency: {1000 * tight:.4f}ms")) == ["composite"]


def test_what_the_fewest_steps_do_not_keep_is_refused() -> None:
    text = stepped("12..30", "latency: 1ms")
    found = message(text, "M602")
    assert found.help() == ("on a test's device, the cheapest way is by sum with 12 steps",)
    assert found.fixes()[0].edits[0].replacement == duration(need(stepped("12", via="sum")).latency, up=True)
    (found,) = [d for d in compiled(stepped("12..30", "latency: 1ms")).diagnostics if d.code == "M602"]
    poor = message(stepped("12..30", "quality: 80%", "[balance, sum]"), "M603")
    assert poor.help() == ("by balance with 30 steps",)


def test_a_lock_holds_steps_whatever_the_budget_is() -> None:
    pins = Pins(steps={(12, 30): 25}, place="mosaic.lock")

    def held(budget: str) -> Compiled:
        source = SourceFile("<test>", stepped("12..30", budget, "sum"))
        context = replace(Project().context(source), fidelity=TABLE, profile=PROFILE, pins=pins)
        return compile(source, context)

    for budget in ("latency: 10min", ""):
        assert [(each.number, each.reason) for each in held(budget).steps["p"]] == [(25, "as locked")]
    (found,) = [d for d in held("latency: 1ms").diagnostics if d.code == "M602"]
    assert "by sum with 25 steps" in found.help()[0]
    assert "`mosaic.lock` holds what was chosen before" in found.help()[1]


def test_ranges_rise_together() -> None:
    more = (
        'emit refine(look, decode(sample(look, prompt: "a {ghost}", steps: 4..8)), steps: 10..50) as "q.png"'
    )
    text = stepped("12..30", "latency: LIMIT", "sum", more)
    least, most = (need(text.replace("12..30", a).replace("4..8", b).replace("10..50", c).replace("LIMIT", "1min"))
                   for a, b, c in (("12", "4", "10"), ("30", "8", "50")))  # fmt: skip
    limit = (least.latency + most.latency) / 2
    numbers = [number for number, _ in taken(text.replace("LIMIT", f"{1000 * limit:.4f}ms"))]
    parts = [(n - low) / (high - low) for n, low, high in zip(numbers, (12, 4, 10), (30, 8, 50), strict=True)]
    assert 0.2 < max(parts) < 0.9
    assert max(parts) - min(parts) < 0.25, "as far as whole numbers of four allow"


def test_a_number_that_leaves_a_run_nothing_to_do_is_passed_over() -> None:
    """From 50% to 52% there is a step in runs of 26 and of 28 steps, and none in one of 27."""

    def text(steps: object, budget: str = "") -> str:
        cut = f'let cut = sample(base, prompt: "a red cat", steps: {steps}, until: 50%)\n      '
        return plan(
            budget, "sum", f'{cut}emit resume(look, cut, until: 52%) as "q.safetensors"', run=", steps: 1"
        )

    assert message(text(27), "M312")
    long = need(text(28)).latency
    assert taken(text("26..28")) == [(28, "nothing asks for fewer")]
    limit = f"latency: {1000 * long * 0.9999:.4f}ms"
    (found,) = taken(text("26..28", limit))
    assert found == (26, f"the most that keeps the latency of {duration(long * 0.9999)}")


runs = st.sampled_from(["", ", until: 60%", ', scheduler: "euler_a"'])
shapes = st.sampled_from(
    [
        "ghost, neon",
        "ghost * 0.5, neon during 0%..40%",
        "ghost during 30%..35%, neon",
        "ghost, neon in rect(0%, 0%, 50%, 100%)",
    ]
)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 60), st.integers(1, 90), st.floats(0, 1.2), st.floats(0.05, 20), shapes, runs,
    st.sampled_from(["latency", "cold_latency"]),
)  # fmt: skip
def test_the_most_that_keeps_it_and_no_more(
    low: int, width: int, part: float, pace: float, operands: str, run: str, key: str
) -> None:
    """Of random ranges, budgets and devices: within the range, within the budget, and one more step is not."""
    profile = replace(PROFILE, step=PROFILE.step * pace, launch=PROFILE.launch * pace)
    low, high = low + (run != ""), low + width + 1

    def text(steps: object, budget: str = "") -> str:
        return (
            plan(budget, "", "", operands, f", steps: {steps}{run}")
            .replace(" {hat}", "")
            .replace('"p.png"', '"p.safetensors"')
        )

    def needs(steps: int, operator: str) -> float:
        written = text(steps).replace(operands, f"{operands}, via: {operator}")
        return float(getattr(need(written, profile), key))

    chosen = compiled(text(low), profile=profile, alternatives=1).choices["p"][0].operator
    least, most = needs(low, chosen), needs(high, chosen)
    limit = round(1000 * (least + part * (most - least)), 3) + 0.001
    found = compiled(text(f"{low}..{high}", f"{key}: {limit:.3f}ms"), profile=profile)
    assert not found.has_errors, [d.message() for d in found.diagnostics]
    (steps,), (operator,) = found.steps["p"], found.choices["p"]
    assert low <= steps.number <= high
    assert needs(steps.number, operator.operator) <= limit / 1000
    assert steps.number == high or needs(steps.number + 1, operator.operator) > limit / 1000
