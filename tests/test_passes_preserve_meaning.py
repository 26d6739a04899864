"""Optimised equals unoptimised, in pixels: a plan is run with every pass, and without each that may be left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mosaic.compiler import compile
from mosaic.compiler.passes import OPTIMISE, Pass
from mosaic.compiler.passes.drop_dead import drop_dead
from mosaic.compiler.passes.fold_constants import fold_constants
from mosaic.compiler.passes.share_equal import share_equal
from mosaic.compiler.source import SourceFile
from mosaic.project import Project, engine

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


def _pictures(folder: Path, passes: tuple[Pass, ...], *, fragment: bool = True) -> dict[str, bytes]:
    text = PLAN.format(fragment=FRAGMENT if fragment else "", look=BY_FRAGMENT if fragment else BY_HAND)
    source = SourceFile(str(folder / "p.mosaic"), text)
    compiled = compile(source, Project().context(source), passes=passes)
    assert not compiled.has_errors, [found.message() for found in compiled.diagnostics]
    result = engine(device="cpu").run(compiled.programs[0], folder)
    # The files differ in the program's digest that they carry; the pictures must not.
    return {file.name: np.asarray(Image.open(file.path)).tobytes() for file in result.emitted}


@pytest.fixture(scope="module")
def optimised(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return _pictures(tmp_path_factory.mktemp("optimised"), OPTIMISE)


@pytest.mark.parametrize("left_out", [fold_constants, share_equal, drop_dead], ids=lambda each: each.__name__)
def test_without_a_pass(left_out: Pass, optimised: dict[str, bytes], tmp_path: Path) -> None:
    passes = tuple(each for each in OPTIMISE if each is not left_out)
    assert _pictures(tmp_path, passes) == optimised


def test_without_all_of_them(optimised: dict[str, bytes], tmp_path: Path) -> None:
    passes = tuple(each for each in OPTIMISE if each not in (fold_constants, share_equal, drop_dead))
    assert _pictures(tmp_path, passes) == optimised


def test_inlined_by_hand(optimised: dict[str, bytes], tmp_path: Path) -> None:
    assert _pictures(tmp_path, OPTIMISE, fragment=False) == optimised
