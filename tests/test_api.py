"""The three functions of `import mosaic`."""

from __future__ import annotations

from pathlib import Path

import pytest

import mosaic
from mosaic.compiler.diagnostic import MosaicError

TWO = """mosaic 1
param seed: int = 1
plan first {
  emit sample(checkpoint("zoo/base"), prompt: "a red cat", steps: 2, seed: seed) as "cat.png"
}
plan second {
  emit sample(checkpoint("zoo/base"), prompt: "a blue dog", steps: 2, seed: seed) as "cat.png"
}
"""


@pytest.fixture
def two(tmp_path: Path) -> Path:
    path = tmp_path / "two.mosaic"
    path.write_text(TWO)
    return path


def test_check_and_compile(two: Path) -> None:
    assert mosaic.check(two).diagnostics == ()
    compiled = mosaic.compile(two, parameters={"seed": 3})
    assert [program.source.plan for program in compiled.programs] == ["first", "second"]
    assert mosaic.compile(two, only="second").programs[0].digest != compiled.programs[1].digest
    with pytest.raises(MosaicError, match="M209"):
        mosaic.compile(two, parameters={"sed": 3})


def test_plans_of_one_file_do_not_overwrite_each_other(two: Path, tmp_path: Path) -> None:
    first, second = mosaic.run(two, output=tmp_path / "out", device="cpu")
    assert [file.path for result in (first, second) for file in result.emitted] == [
        tmp_path / "out" / "first" / "cat.png",
        tmp_path / "out" / "second" / "cat.png",
    ]
    (alone,) = mosaic.run(two, output=tmp_path / "alone", device="cpu", only="first")
    assert (tmp_path / "alone" / "cat.png").exists()
    assert alone.emitted[0].sha256 == first.emitted[0].sha256


def test_a_run_that_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mosaic.runtime import devices

    plan = tmp_path / "large.mosaic"
    plan.write_text(
        'mosaic 1\nplan p { emit sample(checkpoint("zoo/base"), prompt: "a cat", size: 1024x1024) as "a.png" }\n'
    )
    monkeypatch.setattr(devices, "memory", lambda device: 2**28)
    with pytest.raises(MosaicError, match="M604"):
        mosaic.run(plan, output=tmp_path)
