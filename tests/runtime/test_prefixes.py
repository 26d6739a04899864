"""Programs of one invocation that have steps in common, or values with regions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from mosaic.compiler.program import Program
from mosaic.compiler.source import SourceFile
from mosaic.project import Project, engine
from mosaic.runtime.results import RunResult

PLAN = """mosaic 1
plan p {{
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")
  let look = fuse(base, neon during {begins}..100%)
  let words = "a cat, {{neon}}"
  let run = sample(look, prompt: words, steps: 8, size: 32x32, seed: 3, scheduler: "{scheduler}", until: {until})
  emit run as "a.safetensors"
}}
"""


def _program(folder: Path, text: str) -> Program:
    source = SourceFile(str(folder / "p.mosaic"), text)
    (program,) = Project().compile(source).programs
    return program


def _latents(results: Sequence[RunResult]) -> list[bytes]:
    return [
        b"".join(tensor.tobytes() for _, tensor in sorted(load_file(each.path).items()))
        for result in results
        for each in result.emitted
    ]


@pytest.mark.parametrize("scheduler", ["euler_a", "dpmpp_2m"])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 2, 0), (2, 3, 0, 1)])
def test_common_steps_are_taken_once(scheduler: str, order: tuple[int, ...], tmp_path: Path) -> None:
    cells = [("25%", "100%"), ("50%", "100%"), ("75%", "100%"), ("75%", "90%")]
    programs = [
        _program(tmp_path, PLAN.format(begins=begins, until=until, scheduler=scheduler))
        for begins, until in (cells[at] for at in order)
    ]
    worker = engine(device="cpu")
    apart = [worker.run(each, tmp_path / f"apart{at}") for at, each in enumerate(programs)]
    together = worker.run_all(programs, [tmp_path / f"both{at}" for at in range(len(programs))])
    assert _latents(together) == _latents(apart)
    # The base's first six steps once; then six, four and two with the expert, of which one run is cut at seven.
    assert sum(result.evaluations for result in apart) == 8 + 8 + 8 + 7
    assert sum(result.evaluations for result in together) == 6 + 6 + 4 + 2


MASKED = """mosaic 1
plan p {{
  let base = checkpoint("zoo/base")
  {first}
  let where = mask("{mask}.png")
  emit sample(base, prompt: ["a cat" in where, "a dog"], steps: 2, size: 32x32, seed: {seed}) as "b.safetensors"
}}
"""


def test_regions_are_those_of_their_own_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs number their pictures each for itself, and share values that have regions."""
    monkeypatch.chdir(tmp_path)
    for name, box in (("left", (0, 0, 16, 32)), ("top", (0, 0, 32, 16))):
        picture = Image.new("L", (32, 32))
        picture.paste(255, box)
        picture.save(f"{name}.png")
    fish = '"a fish" in mask("top.png")'
    other = f'emit sample(base, prompt: [{fish}, "a dog"], steps: 1, size: 32x32) as "a.safetensors"'
    programs = [
        _program(tmp_path, MASKED.format(first=first, mask="left", seed=seed))
        for first, seed in (("", 1), (other, 2))
    ]
    assert [len(program.images) for program in programs] == [1, 2]
    worker = engine(device="cpu")
    apart = [worker.run(each, tmp_path / f"apart{at}") for at, each in enumerate(programs)]
    together = worker.run_all(programs, [tmp_path / f"both{at}" for at in range(2)])
    assert _latents(together) == _latents(apart)
    assert np.frombuffer(_latents(together)[0], np.float32).std() > 0
