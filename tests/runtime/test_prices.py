"""What plans are said to ask of denoisers, against what their runs asked, and what is said to cost more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mosaic.compiler.cost.manner import Manner
from mosaic.compiler.cost.predict import Prediction, price
from mosaic.compiler.cost.profile import Profile
from mosaic.compiler.lower import _BUILD
from mosaic.compiler.source import SourceFile
from mosaic.learning import Expected, ratios
from mosaic.profiles import load_profile
from mosaic.project import Project, engine
from mosaic.runtime.families.sd1 import SD1
from mosaic.runtime.values import Vae
from mosaic.stdlib import find_operators, find_profiles

BEFORE = """
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")
  let wash = lora("zoo/watercolor")
  let hat = lora("zoo/hat")
  let other = checkpoint("zoo/robot")
  let left = rect(0%, 0%, 50%, 100%)
  let right = rect(50%, 0%, 50%, 100%, feather: 10%)
"""
AFTER = 'prompt: "a red cat", steps: 4, guidance: 3, size: 64x64, seed: 1'

PLANS = {
    "base": f"sample(base, {AFTER})",
    "guidance 1": 'sample(base, prompt: "a red cat", steps: 3, guidance: 1, size: 64x64)',
    "sum in a window": f"sample(fuse(base, neon, wash during 0%..50%, via: sum), {AFTER})",
    "composite": f"sample(fuse(base, neon, wash * 0.5, hat, via: composite), {AFTER})",
    "composite in a window": f"sample(fuse(base, neon during 0%..50%, wash during 25%..75%, via: composite), {AFTER})",
    "composite, half covered": f"sample(fuse(base, neon in left, via: composite), {AFTER})",
    "composite, covered": f"sample(fuse(base, neon in left, wash in right, via: composite), {AFTER})",
    "composite of a model": f"sample(fuse(base, neon, other, via: composite), {AFTER})",
    "guidance": f"sample(fuse(base, neon * 0.5, other * 0.5, via: guidance), {AFTER})",
    "guidance, base counts": f"sample(fuse(base, neon * 0.3, other * 0.3, via: guidance), {AFTER})",
    "switch": f"sample(fuse(base, neon, wash, via: switch), {AFTER})",
    "chain": f"sample(fuse(base, neon, other, via: chain), {AFTER})",
    "nested": f"sample(fuse(fuse(base, neon, wash, via: composite), hat, via: sum), {AFTER})",
    "prompts": 'sample(base, prompt: ["a cat" in left, "a dog" in right, "snow"], steps: 3, guidance: 3, size: 64x64)',
    "prompts in windows": 'sample(base, prompt: ["a cat" during 0%..50%, "snow"], steps: 4, guidance: 3, size: 64x64)',
    "refined": f'refine(base, sample(base, {AFTER}), strength: 0.5, prompt: "a cat", steps: 4, guidance: 3)',
    "resumed": f"resume(fuse(base, hat), sample(base, {AFTER}, until: 50%))",
}


@pytest.fixture(scope="module")
def profile() -> Profile:
    return load_profile(find_profiles()["cpu-8"])


@pytest.mark.parametrize("name", PLANS)
def test_evaluations_and_rows_are_those_of_the_run(name: str, profile: Profile, tmp_path: Path) -> None:
    source = SourceFile(
        "p.mosaic", f'mosaic 1\nplan p {{{BEFORE}\n  emit {PLANS[name]} as "a.safetensors"\n}}\n'
    )
    project = Project()
    compiled = project.compile(source)
    predicted = price(compiled.graphs[0], project.context(source), profile)
    result = engine(device="cpu").run(compiled.programs[0], tmp_path)
    assert predicted.evaluations == result.evaluations
    assert sum(each.rows for each in predicted.in_order) == result.rows
    assert len(predicted.in_order) == len(compiled.programs[0].instructions) == len(result.timings)


def _predicted(sampled: str, profile: Profile) -> Prediction:
    source = SourceFile("p.mosaic", f'mosaic 1\nplan p {{{BEFORE}\n  emit {sampled} as "a.png"\n}}\n')
    project = Project()
    (graph,) = project.compile(source).graphs
    return price(graph, project.context(source), profile)


def test_every_operation_that_is_lowered_has_a_price() -> None:
    from mosaic.compiler.cost.pricing import Pricing

    source = SourceFile("p.mosaic", "")
    pricing = Pricing(Project().context(source), load_profile(find_profiles()["cpu-8"]))
    assert pricing.operations.keys() == _BUILD.keys()


def test_more_work_costs_more(profile: Profile) -> None:
    plain = _predicted(PLANS["base"], profile)
    longer = _predicted(PLANS["base"].replace("steps: 4", "steps: 8"), profile)
    larger = _predicted(PLANS["base"].replace("64x64", "128x128"), profile)
    fused = _predicted(PLANS["composite"], profile)
    assert plain.warm < longer.warm < larger.warm
    assert plain.warm < fused.warm
    assert plain.peak < larger.peak
    assert plain.warm < plain.cold < plain.cold_high
    assert plain.warm < plain.warm_high
    (told,) = plain.emits.values()
    assert told == pytest.approx((plain.warm, plain.cold))
    assert plain.unknown == ()


def test_operators_on_weights_differ_by_what_their_kernels_do(profile: Profile) -> None:
    def fusing(operator: str) -> float:
        predicted = _predicted(f"sample(fuse(base, neon, wash, via: {operator}), {AFTER})", profile)
        return next(each.seconds for each in predicted.in_order if each.op == "fuse")

    efforts = {each.effort for each in find_operators().values()}
    assert len(efforts) == 5
    assert fusing("sum") < fusing("slerp") < fusing("ties") < fusing("della")
    assert fusing("sum") < fusing("sum(rank: 4)")
    assert fusing('attention(layers: "attn2")') < fusing("sum")


def test_a_device_that_is_not_here_can_be_priced_for() -> None:
    slow, fast = (
        _predicted(PLANS["composite"].replace("64x64", "512x512"), load_profile(find_profiles()[name]))
        for name in ("rtx-3060", "h100")
    )
    assert fast.warm < slow.warm


def test_what_runs_taught_is_applied_by_operation(profile: Profile) -> None:
    from mosaic.compiler.cost.profile import Ratio

    plain = _predicted(PLANS["base"], profile)
    taught = _predicted(PLANS["base"], profile.with_refined({"denoise": Ratio(2.0, 3.0, 9)}))
    before, after = (
        next(each for each in found.in_order if each.op == "denoise") for found in (plain, taught)
    )
    assert after.seconds == pytest.approx(2 * before.seconds)
    assert after.high == pytest.approx(3 * before.seconds)


def test_only_what_was_computed_teaches(tmp_path: Path, profile: Profile) -> None:
    source = SourceFile("p.mosaic", f'mosaic 1\nplan p {{{BEFORE}\n  emit {PLANS["base"]} as "a.png"\n}}\n')
    project = Project()
    compiled = project.compile(source)
    predicted = price(compiled.graphs[0], project.context(source), profile)
    wanted = [Expected(each.op, each.seconds, each.load) for each in predicted.in_order]
    result = engine(device="cpu").run(compiled.programs[0], tmp_path)
    found = ratios(wanted, result)
    assert {"load_model", "denoise"} <= found.keys()
    assert all(ratio > 0 for each in found.values() for ratio in each)
    assert ratios(wanted[:-1], result) == {}
    assert Expected("load_model", 0.0, 1.0).ratio(0.01) is None
    assert Expected("denoise", 2.0, 0.0).ratio(3.0) == 1.5
    assert Expected("denoise", 1e-5, 0.0).ratio(3.0) is None


def test_fusions_that_double_are_not_priced_without_end(profile: Profile) -> None:
    lines = [f"let m{i + 1} = fuse(m{i}, m{i} * 0.5, neon * 0.1, via: guidance)" for i in range(40)]
    text = "\n".join(["let m0 = base", *lines])
    source = SourceFile(
        "p.mosaic", f'mosaic 1\nplan p {{{BEFORE}\n{text}\n  emit sample(m40, {AFTER}) as "a.png"\n}}\n'
    )
    project = Project()
    (graph,) = project.compile(source).graphs
    found = price(graph, project.context(source), profile)
    assert found.unknown == ("zoo/base",)
    assert found.reasons == ("a model of `zoo/base` is made of more than 1000 parts",)


def test_putting_more_than_two_operands_in_order_is_priced(profile: Profile) -> None:
    free = replace(profile, merge={**profile.merge, "compared": 0.0})
    two = f"sample(fuse(base, neon, wash, via: sum), {AFTER})"
    three = f"sample(fuse(base, neon, wash, hat, via: sum), {AFTER})"
    assert _predicted(two, profile).warm == _predicted(two, free).warm
    assert _predicted(three, profile).warm > _predicted(three, free).warm


def test_tiles_are_priced_as_they_are_decoded(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled = PLANS["base"].replace("64x64", "192x96").replace("steps: 4", "steps: 1")
    whole = _predicted(sampled, profile)
    tiled = _predicted(f"decode({sampled}, tile: 64x64)", profile)
    assert tiled.peak < whole.peak

    def decoding(found: Prediction) -> float:
        return next(each.seconds for each in found.in_order if each.op == "decode_latent")

    assert decoding(tiled) > decoding(whole)
    smaller = _predicted(sampled.replace("192x96", "64x64"), profile)
    pieces = []
    decode = SD1.decode

    def counted(self: SD1, vae: Vae, sample: torch.Tensor) -> torch.Tensor:
        pieces.append(sample.shape)
        return decode(self, vae, sample)

    monkeypatch.setattr(SD1, "decode", counted)
    source = SourceFile(
        "p.mosaic", f'mosaic 1\nplan p {{{BEFORE}\n  emit decode({sampled}, tile: 64x64) as "a.png"\n}}\n'
    )
    engine(device="cpu").run(Project().compile(source).programs[0], tmp_path)
    assert set(pieces) == {(1, 4, 16, 16)}
    assert decoding(tiled) == pytest.approx(len(pieces) * decoding(smaller))


def test_fewer_rows_in_a_call_are_more_calls_of_less(profile: Profile, tmp_path: Path) -> None:
    source = SourceFile(
        "p.mosaic", f'mosaic 1\nplan p {{{BEFORE}\n  emit {PLANS["composite"]} as "a.safetensors"\n}}\n'
    )
    project = Project()
    compiled = project.compile(source)
    (graph,) = compiled.graphs
    found = [price(graph, project.context(source), profile, Manner(rows)) for rows in (16, 2, 1)]
    rows = {sum(each.rows for each in one.in_order) for one in found}
    assert len(rows) == 1
    assert found[0].evaluations < found[1].evaluations < found[2].evaluations == rows.pop()
    assert found[0].peak > found[1].peak > found[2].peak
    for batch, predicted in ((2, found[1]), (1, found[2])):
        result = engine(device="cpu", batch=batch).run(compiled.programs[0], tmp_path)
        assert (result.evaluations, result.rows) == (
            predicted.evaluations,
            sum(e.rows for e in predicted.in_order),
        )
