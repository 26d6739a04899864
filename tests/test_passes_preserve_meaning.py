"""Optimised equals unoptimised, in pixels: a plan is run with every pass, and without each that may be left out."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from mosaic.compiler import compile
from mosaic.compiler.passes import OPTIMISE, Pass
from mosaic.compiler.passes.cut_at_windows import cut_at_windows
from mosaic.compiler.passes.drop_dead import drop_dead
from mosaic.compiler.passes.drop_idle import drop_idle
from mosaic.compiler.passes.fold_constants import fold_constants
from mosaic.compiler.passes.order_operands import order_operands
from mosaic.compiler.passes.share_codecs import share_codecs
from mosaic.compiler.passes.share_encodings import share_encodings
from mosaic.compiler.passes.share_equal import share_equal
from mosaic.compiler.passes.share_prefixes import share_prefixes
from mosaic.compiler.passes.skip_unconditional import skip_unconditional
from mosaic.compiler.passes.spell_operands import spell_operands
from mosaic.compiler.source import SourceFile
from mosaic.project import Project, engine
from mosaic.runtime.denoise import SCHEDULERS

FRAGMENT = """define styled(base: checkpoint, style: lora, strength: number = 0.5) -> model {
  return fuse(base, style * strength)
}
"""
BY_FRAGMENT = "styled(base, neon)"
BY_HAND = "fuse(base, neon * 0.5)"
PLAN = """mosaic 1
param who: text = "a red cat"
{fragment}
plan p {{
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")
  let look = {look}
  let again = {look}
  let unused = sample(base, prompt: "a blue dog", steps: 1)
  let half = sample(look, prompt: "{{who}}, {{neon}}", steps: 4, until: 50%)
  let whole = resume(again, half)
  emit whole as "whole.png"
  emit refine(look, decode(whole), prompt: "a {{neon}} cat", strength: 50%, steps: 2) as "again.png"
  emit sample(again, prompt: "{{who}}, {{neon}}", steps: 4, until: 50%) as "half.png"
}}
"""
COMPOSED = """mosaic 1
plan p {
  let base = checkpoint("zoo/base")
  let robot = checkpoint("zoo/robot")
  let hero = embedding("zoo/samurai")
  let neon = lora("zoo/neon")
  let wash = lora("zoo/watercolor")
  let hat = lora("zoo/hat")
  let left = rect(0%, 0%, 50%, 100%)
  let all = rect(0%, 0%, 100%, 100%)
  let sum_ = fuse(fuse(base), wash * 0.4, neon * 1 during 0%..100%, hero, hat * 0, robot * 0.1, via: sum)
  let turns = fuse(base, wash during 0%..50%, neon, hat * 0, via: switch)
  let both = fuse(base, wash in left, neon * 0.5 in all, hat in left * 0, via: composite)
  let three = fuse(base, wash * 0.4, robot * 0.3, fuse(robot, neon) * 0.2 during 0%..50%, via: guidance)
  emit sample(sum_, prompt: ["a {hero}, {neon}, {wash}", "a dog" * 0], steps: 2, size: 32x32) as "sum.png"
  emit sample(turns, prompt: "a cat, {neon}, {wash}" during 0%..100%, steps: 4, size: 32x32) as "turns.png"
  emit sample(both, prompt: ["a cat, {neon}" in left, "a dog, {wash}" in all * 1], steps: 2, size: 32x32) as "both.png"
  emit sample(three, prompt: "a cat, {neon}, {wash}", steps: 4, size: 32x32) as "three.png"
}
"""
REWRITES = (
    fold_constants,
    spell_operands,
    drop_idle,
    order_operands,
    cut_at_windows,
    skip_unconditional,
    share_encodings,
    share_codecs,
    share_prefixes,
    share_equal,
    drop_dead,
)


def _pictures(folder: Path, passes: tuple[Pass, ...], *, fragment: bool = True) -> dict[str, bytes]:
    return _run(
        PLAN.format(fragment=FRAGMENT if fragment else "", look=BY_FRAGMENT if fragment else BY_HAND),
        folder,
        passes,
    )


def _run(text: str, folder: Path, passes: tuple[Pass, ...]) -> dict[str, bytes]:
    source = SourceFile(str(folder / "p.mosaic"), text)
    compiled = compile(source, Project().context(source), passes=passes)
    assert not compiled.has_errors, [found.message() for found in compiled.diagnostics]
    result = engine(device="cpu").run(compiled.programs[0], folder)
    # The files differ in the program's digest that they carry; pictures and latents must not.
    return {file.name: _content(file.path) for file in result.emitted}


def _content(path: Path) -> bytes:
    if path.suffix == ".png":
        return np.asarray(Image.open(path)).tobytes()
    return b"".join(tensor.tobytes() for _, tensor in sorted(load_file(path).items()))


@pytest.fixture(scope="module")
def optimised(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return _pictures(tmp_path_factory.mktemp("optimised"), OPTIMISE)


@pytest.mark.parametrize("left_out", REWRITES, ids=lambda each: each.__name__)
def test_without_a_pass(left_out: Pass, optimised: dict[str, bytes], tmp_path: Path) -> None:
    passes = tuple(each for each in OPTIMISE if each is not left_out)
    assert _pictures(tmp_path, passes) == optimised


def test_without_all_of_them(optimised: dict[str, bytes], tmp_path: Path) -> None:
    passes = tuple(each for each in OPTIMISE if each not in REWRITES)
    assert _pictures(tmp_path, passes) == optimised


def test_inlined_by_hand(optimised: dict[str, bytes], tmp_path: Path) -> None:
    assert _pictures(tmp_path, OPTIMISE, fragment=False) == optimised


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return _run(COMPOSED, tmp_path_factory.mktemp("composed"), OPTIMISE)


@pytest.mark.parametrize(
    "left_out",
    [(drop_idle,), (order_operands,), REWRITES],
    ids=lambda some: "-".join(p.__name__ for p in some),
)
def test_composed_without(left_out: tuple[Pass, ...], composed: dict[str, bytes], tmp_path: Path) -> None:
    """Windows, regions, several prompts and models as operands; what says nothing among them."""
    assert _run(COMPOSED, tmp_path, tuple(each for each in OPTIMISE if each not in left_out)) == composed


WINDOWS = """mosaic 1
plan p {
  let base = checkpoint("zoo/base")
  let robot = checkpoint("zoo/robot")
  let hero = embedding("zoo/samurai")
  let neon = lora("zoo/neon")
  let wash = lora("zoo/watercolor")
  let hat = lora("zoo/hat")
  let left = rect(0%, 0%, 50%, 100%)
  let summed = fuse(base, hero, neon * 0.8 during 0%..50%, wash * 0.5, robot * 0.1 during 50%..100%, via: sum)
  let trimmed = fuse(base, neon during 20%..60%, wash during 40%..100% * 0.5, via: ties(density: 0.5))
  let drawn = fuse(summed, hat during 30%..70%, via: dare(density: 0.5))
  let beside = fuse(base, neon during 0%..60%, wash in left during 30%..100%, hat * 0.5, via: composite)
  let guided = fuse(summed, fuse(base, neon during 0%..40%) * 0.5, robot * 0.3 during 50%..100%, via: guidance)
  let turns = fuse(base, neon during 0%..50%, wash, hat during 50%..100%, via: switch)
  let chained = fuse(base, neon, fuse(base, wash during 0%..70%), hat during 80%..100%, via: chain)
  let split = fuse(base, neon during 0%..50%, wash during 50%..100%, via: composite)
  let words = "a {hero}, {neon}, {wash}"
  let plain = "a cat, {neon}, {wash}"
  let dog = "a dog, {neon}"
  let hatted = "a cat in a {hat}, {neon}, {wash}"
  let half = sample(trimmed, prompt: plain, RUN, until: 30%)
  emit sample(summed, prompt: words, negative: "blur", RUN) as "1.safetensors"
  emit sample(drawn, prompt: "{hat} {hero}, {neon}, {wash}", RUN, guidance: 1) as "2.safetensors"
  emit resume(trimmed, half, until: 70%) as "3.safetensors"
  emit resume(trimmed, half, steps: 2) as "4.safetensors"
  emit resume(trimmed, half) as "5.safetensors"
  emit sample(beside, prompt: [hatted during 0%..50%, dog in left, hatted during 50%..100%], RUN) as "6.safetensors"
  emit sample(guided, prompt: "{hero}, {neon}, {wash}", RUN) as "7.safetensors"
  emit sample(turns, prompt: hatted, RUN, until: 70%) as "8.safetensors"
  emit sample(chained, prompt: hatted, RUN) as "9.safetensors"
  emit sample(split, prompt: [plain during 40%..100%, dog during 0%..40%], guidance: 1, RUN) as "10.safetensors"
  emit refine(summed, decode(half), prompt: words, strength: 40%, steps: 6) as "11.png"
}
"""
RUN = 'steps: 6, size: 32x32, scheduler: "{}"'
CUTTING = (spell_operands, cut_at_windows, skip_unconditional, share_encodings, share_codecs, share_prefixes)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_runs_that_are_cut(scheduler: str, tmp_path: Path) -> None:
    """Windows of every kind of operator, rests of rests, runs of several lengths: the same latents, to the bit."""
    text = WINDOWS.replace("RUN", RUN.format(scheduler))
    optimised = _run(text, tmp_path, OPTIMISE)
    plain = _run(text, tmp_path, tuple(each for each in OPTIMISE if each not in CUTTING))
    assert {name for name in plain if plain[name] != optimised[name]} == set()


@pytest.mark.parametrize("left_out", CUTTING, ids=lambda each: each.__name__)
def test_cut_without(left_out: Pass, tmp_path: Path) -> None:
    text = WINDOWS.replace("RUN", RUN.format("euler_a"))
    optimised = _run(text, tmp_path, OPTIMISE)
    assert _run(text, tmp_path, tuple(each for each in OPTIMISE if each is not left_out)) == optimised


ANY_ORDER = """mosaic 1
plan p {{
  let base = checkpoint("zoo/base")
  let left = rect(0%, 0%, 50%, 100%)
  let wash = lora("zoo/watercolor")
  let hat = lora("zoo/hat")
  let robot = checkpoint("zoo/robot")
  let neon = {neon}
  let look = fuse(base, {operands}, via: {operator})
  emit sample(look, prompt: "a cat", steps: 2, size: 32x32) as "p.png"
}}
"""
OPERANDS = ("wash * 0.4", "hat * 0.7 in left", "neon * 0.5 during 0%..50%", "robot * 0.3")


@pytest.mark.parametrize(
    ("operator", "neon"), [("composite", 'lora("zoo/neon")'), ("guidance", 'fuse(robot, lora("zoo/neon"))')]
)
def test_any_order_of_operands_adds_up_to_the_same(operator: str, neon: str, tmp_path: Path) -> None:
    """Rows of a batch and sums of predictions round by their order: the engine has one of its own."""
    unordered = tuple(each for each in OPTIMISE if each is not order_operands)
    found = [
        _run(ANY_ORDER.format(operands=", ".join(each), operator=operator, neon=neon), tmp_path, unordered)
        for each in list(permutations(OPERANDS))[::5]
    ]
    assert found == found[:1] * len(found)
