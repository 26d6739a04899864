"""Plans and the memory of a device: what fits, what is refused, and what would make it fit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mosaic.compiler import Compiled, compile
from mosaic.compiler.context import Context
from mosaic.compiler.cost.changes import Fitting
from mosaic.compiler.cost.fidelity import Fidelity, Measured
from mosaic.compiler.cost.manner import Manner
from mosaic.compiler.cost.predict import price
from mosaic.compiler.cost.profile import Profile
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.errors.plans import DoesNotFit, OverBudget
from mosaic.compiler.fit import USABLE
from mosaic.compiler.fixing import apply_fixes
from mosaic.compiler.pins import Pins
from mosaic.compiler.source import SourceFile
from mosaic.profiles import load_profile
from mosaic.project import Project
from mosaic.stdlib import find_profiles

CARD = load_profile(find_profiles()["rtx-3060"])
WORLD = Project().context(SourceFile("<test>", ""))
AFTER = 'prompt: "a red cat", steps: 4, guidance: 3'


def plan(body: str) -> str:
    return f"""mosaic 1
    plan p {{
      let base = checkpoint("zoo/base")
      let neon = lora("zoo/neon")
      let hat = lora("zoo/hat")
      let other = checkpoint("zoo/robot")
      {body}
    }}"""


def room(size: float, device: Profile = CARD) -> Profile:
    """A device on which a plan may take so many bytes."""
    return replace(device, memory=round(size / USABLE) + 1)


def context(size: float | None, manner: Manner | None = None, device: Profile = CARD) -> Context:
    return replace(
        WORLD,
        profile=device,
        room=None if size is None else room(size, device),
        manner=manner or Manner(),
    )


def compiled(body: str, size: float | None, manner: Manner | None = None) -> Compiled:
    return compile(SourceFile("<test>", plan(body)), context(size, manner))


def refusal(found: Compiled) -> DoesNotFit | None:
    said = [each for each in found.diagnostics if isinstance(each, DoesNotFit)]
    assert len(said) <= 1
    return said[0] if said else None


def needed(body: str, manner: Manner | None = None, device: Profile = CARD) -> int:
    (graph,) = compile(SourceFile("<test>", plan(body)), context(None, device=device)).graphs
    return price(graph, WORLD, device, manner).peak


LARGE = f'emit sample(base, {AFTER}, size: 1024x1024) as "a.png"'
MANY = f'emit sample(fuse(base, neon, hat, via: composite), {AFTER}, size: 512x512) as "a.safetensors"'
TWO = f'emit sample(fuse(base, neon * 0.5, other * 0.5, via: guidance), {AFTER}, size: 64x64) as "a.safetensors"'


@pytest.mark.parametrize("body", [LARGE, MANY, TWO])
def test_what_fits_is_told_from_what_does_not(body: str) -> None:
    peak = needed(body)
    assert refusal(compiled(body, peak)) is None
    assert refusal(compiled(body, 0.99 * peak)) is not None
    assert refusal(compiled(body, None)) is None


def test_the_place_that_needs_most_is_named() -> None:
    decoding = refusal(compiled(LARGE, 0.9 * needed(LARGE)))
    assert decoding is not None
    assert "decoding 1024x1024 needs" in decoding.message()
    assert "most of it activations" in decoding.message()
    assert decoding.span is not None
    assert decoding.span.text.startswith("emit sample")
    denoising = refusal(compiled(MANY, 0.9 * needed(MANY)))
    assert denoising is not None
    assert "denoising 512x512 needs" in denoising.message()
    assert denoising.span is not None
    assert denoising.span.text.startswith("sample(fuse(")
    weights = refusal(compiled(TWO, 0.9 * needed(TWO)))
    assert weights is not None
    assert "most of it weights" in weights.message()


@pytest.mark.parametrize(
    "body",
    [
        LARGE,
        f'let x = sample(base, {AFTER}, size: 1024x1024)\n emit decode(x) as "a.png"\n emit x as "b.png"',
        f'let x = sample(base, {AFTER}, size: 1024x1024)\n emit decode(x, tile: 1024x768) as "a.png"',
        f"let x = sample(base, {AFTER}, size: 1024x1024)\n"
        'emit encode(decode(x), with: base) as "a.safetensors"',
    ],
)
def test_the_fix_makes_it_fit(body: str) -> None:
    size = 0.5 * needed(body)
    found = refusal(compiled(body, size))
    assert found is not None
    (fix,) = found.fixes()
    mended = apply_fixes(plan(body), [fix])
    assert "tile: 5" in mended
    again = compile(SourceFile("<test>", mended), context(size))
    assert not again.has_errors
    assert fix.safe is False, "tiles are slightly other pixels"


def test_a_library_is_not_mended() -> None:
    text = f"""mosaic 1
    define drawn(base: model) -> image {{ return decode(sample(base, {AFTER}, size: 1024x1024)) }}
    plan p {{ emit drawn(checkpoint("zoo/base")) as "a.png" }}"""
    found = refusal(compile(SourceFile("<test>", text), context(2**27)))
    assert found is not None
    assert found.fixes() == ()
    assert found.labels(), "the way into the fragment"


def test_offloading_and_fewer_rows_make_it_fit_as_they_are_told() -> None:
    away, apart = Manner(offload=True), Manner(rows_at_once=1)
    size = needed(TWO, away)
    found = refusal(compiled(TWO, size))
    assert found is not None
    assert any(way.startswith("with `--offload` it needs") for way in found.ways)
    assert refusal(compiled(TWO, size, away)) is None
    size = needed(MANY, apart)
    found = refusal(compiled(MANY, size))
    assert found is not None
    assert any(way.startswith("with `--batch 1` it needs") for way in found.ways)
    assert refusal(compiled(MANY, size, apart)) is None


def test_a_cpu_has_nothing_to_offload() -> None:
    cpu = load_profile(find_profiles()["cpu-8"])
    assert needed(TWO, Manner(offload=True), cpu) == needed(TWO, device=cpu)
    source = SourceFile("<test>", plan(TWO))
    found = refusal(compile(source, context(0.5 * needed(TWO, device=cpu), device=cpu)))
    assert found is not None
    assert not any("--offload" in way for way in found.ways)


def test_operators_that_are_open_are_chosen_among_those_that_fit() -> None:
    opened = MANY.replace("composite", "[composite, sum]")
    peaks = {name: needed(opened.replace("[composite, sum]", name)) for name in ("composite", "sum")}
    assert peaks["sum"] < peaks["composite"]
    shares = (("composite", 0.9), ("sum", 0.5))
    table = Fidelity(
        tuple(Measured(name, ("clothes", "style"), share, share, share, 30) for name, share in shares),
        "a test",
    )

    def chosen(size: float) -> str:
        found = compile(SourceFile("<test>", plan(opened)), replace(context(size), fidelity=table))
        assert not found.has_errors
        return found.choices["p"][0].operator

    assert chosen(peaks["composite"]) == "composite"
    assert chosen((peaks["sum"] + peaks["composite"]) / 2) == "sum"


def test_where_the_operator_is_pinned_another_one_is_named() -> None:
    size = 1.01 * needed(MANY.replace("composite", "sum"))
    found = refusal(compiled(MANY, size))
    assert found is not None
    (way,) = [each for each in found.ways if each.startswith("with `via:")]
    operator = way.split("`")[1].removeprefix("via: ")
    assert refusal(compiled(MANY.replace("composite", operator), size)) is None


def test_a_lock_is_kept_and_another_operator_is_named() -> None:
    opened = MANY.replace(", via: composite", "")
    names = compiled(opened, None).choices["p"][0].operands
    size = 1.01 * needed(MANY.replace("composite", "sum"))
    pinned = replace(context(size), pins=Pins(operators={names: "composite"}, place="mosaic.lock"))
    found = refusal(compile(SourceFile("<test>", plan(opened)), pinned))
    assert found is not None
    assert any(way.startswith("with `via:") for way in found.ways)


def test_where_nothing_else_helps_a_smaller_picture_is_named_and_a_device_that_would_do() -> None:
    body = MANY.replace("512x512", "512x256")
    size = 0.7 * needed(body.replace("composite", "sum"), Manner(1, True))
    found = refusal(compiled(body, size))
    assert found is not None
    smaller, device = found.ways
    assert smaller.startswith("with `size: ")
    assert "at full size it needs" in device
    assert "which a device of" in device
    small = smaller.split("`")[1].removeprefix("size: ")
    width, height = map(int, small.split("x"))
    assert width == 2 * height, "of the same shape"
    assert refusal(compiled(body.replace("512x256", small), size)) is None


def test_a_budget_of_memory_gets_the_same_changes() -> None:
    text = plan(f"budget {{ memory: 200MiB }}\n {LARGE}")
    found = compile(SourceFile("<test>", text), context(None))
    (over,) = [each for each in found.diagnostics if isinstance(each, OverBudget)]
    (way,) = over.changes
    assert way.startswith("with `tile: ")
    assert way in over.help()
    fixed = text.replace(
        LARGE, LARGE.replace("sample(", "decode(sample(").replace(" as", f", {way.split('`')[1]}) as")
    )
    assert not compile(SourceFile("<test>", fixed), context(None)).has_errors


BODIES = st.sampled_from(
    [LARGE, MANY, TWO, LARGE.replace("1024x1024", "768x256"), MANY.replace("composite", "switch")]
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BODIES, st.floats(0.1, 1.1), st.booleans(), st.sampled_from([1, 2, 16]))
def test_every_change_that_is_offered_fits_and_is_the_mildest(
    body: str, part: float, offload: bool, rows: int
) -> None:
    manner = Manner(rows, offload)
    (graph,) = compile(SourceFile("<test>", plan(body)), context(None)).graphs
    predicted = price(graph, WORLD, CARD, manner)
    limit = part * predicted.peak
    fitting = Fitting(graph, replace(WORLD, manner=manner), CARD, limit, predicted)
    found = fitting.changes()
    assert [each.added for each in found] == sorted(each.added for each in found)
    for change in found:
        assert change.peak <= limit
        assert any(change.kinds)
        assert not any(change is not other and change.contains(other) for other in found)
    if not found:
        assert fitting.least().peak > limit or part >= 1
    smaller = fitting.smaller()
    if smaller is not None:
        assert smaller.peak <= limit


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BODIES, st.floats(0.05, 1.2))
def test_a_plan_fits_or_it_is_said_what_would(body: str, part: float) -> None:
    size = part * needed(body)
    found: Compiled = compiled(body, size)
    said: Diagnostic | None = refusal(found)
    assert (said is None) == (round(size / USABLE + 1) * USABLE >= needed(body)) or part > 0.99
    assert said is None or said.help()


def test_runs_that_denoise_together_hold_more_at_once() -> None:
    one, several = Manner(8), Manner(8, runs=16)
    assert needed(MANY, several) > needed(MANY, one)
    assert needed(MANY, Manner(1, runs=16)) == needed(MANY, Manner(1))
    assert needed(MANY, Manner(16)) == needed(MANY, Manner(16, runs=1))
    found = refusal(compiled(MANY, needed(MANY, Manner(4, runs=16)), several))
    assert found is not None
    assert any(way.startswith("with `--batch 4` it needs") for way in found.ways)


def test_an_unpriced_budget_is_still_said_where_operators_are_chosen_by_what_fits() -> None:
    opened = "budget { latency: 1ms }\n" + MANY.replace("composite", "[composite, sum]")
    needs = [needed(MANY.replace("composite", name)) for name in ("composite", "sum")]
    table = Fidelity((Measured("composite", ("clothes", "style"), 0.9, 0.9, 0.9, 30),), "a test")
    told = replace(context(sum(needs) / 2), profile=None, fidelity=table)
    found = compile(SourceFile("<test>", plan(opened)), told)
    assert not found.has_errors
    assert [each.code for each in found.diagnostics if each.code.startswith("M6")] == ["M601"]
    assert found.choices["p"][0].operator == "sum"
