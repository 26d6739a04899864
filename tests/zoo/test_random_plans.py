"""What compiles runs: random plans over the zoo, each to its end or refused with coded diagnostics."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("torch")

FEW, MANY = 40, 400
FIRST = 100_001
"""Other seeds than those of the documented run."""


@pytest.fixture(scope="module")
def plans() -> ModuleType:
    """`benchmarks/random_plans.py`, which is no part of the package."""
    path = Path(__file__).parents[2] / "benchmarks" / "random_plans.py"
    spec = importlib.util.spec_from_file_location("random_plans", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _all_well(plans: ModuleType, seeds: range, folder: Path) -> None:
    outcomes = plans.trials(seeds, folder)
    failed = {seed: outcome.failure for seed, outcome in outcomes.items() if outcome.kind == "failed"}
    assert failed == {}
    refused = [outcome for outcome in outcomes.values() if outcome.kind == "refused"]
    assert all(outcome.codes for outcome in refused)
    # The generator must not turn into one of mistakes alone, nor into one of none.
    assert len(seeds) * 0.3 < sum(outcome.kind == "ran" for outcome in outcomes.values()) < len(seeds) * 0.9


def test_some_random_plans(plans: ModuleType, tmp_path: Path) -> None:
    _all_well(plans, range(FIRST, FIRST + FEW), tmp_path)


@pytest.mark.slow
def test_many_random_plans(plans: ModuleType, tmp_path: Path) -> None:
    _all_well(plans, range(FIRST + FEW, FIRST + FEW + MANY), tmp_path)


def test_a_seed_is_a_plan(plans: ModuleType) -> None:
    assert plans.random_plan(7) == plans.random_plan(7)
    assert plans.random_plan(7) != plans.random_plan(8)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (
            'plan p { emit sample(checkpoint("zoo/base"), prompt: "a", size: 8x8, steps: 1) as "a.png" }',
            "ran",
            "",
        ),
        ('plan p { emit sample(checkpoint("zoo/none"), prompt: "a") as "a.png" }', "refused", "M210"),
        ("this is no plan", "refused", "M101"),
    ],
)
def test_outcomes(plans: ModuleType, text: str, kind: str, words: str, tmp_path: Path) -> None:
    """The judge itself: what it calls run, and what refused."""
    outcome = plans.Trials(tmp_path).run(text if "no plan" in text else f"mosaic 1\n{text}\n")
    assert outcome.kind == kind, outcome
    assert words in " ".join(outcome.codes)


def test_a_broken_output_is_a_failure(plans: ModuleType, tmp_path: Path) -> None:
    """A file that is empty, one that is cut off, and numbers that are not finite."""
    import torch
    from PIL import Image
    from safetensors.torch import save_file

    (tmp_path / "empty.png").touch()
    Image.new("RGB", (64, 64), "red").save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:60])
    save_file({"a": torch.tensor([1.0, float("nan")])}, tmp_path / "nan.safetensors")
    plans.check_file(tmp_path / "whole.png")
    for name in ("empty.png", "cut.png", "nan.safetensors"):
        with pytest.raises((AssertionError, OSError)):
            plans.check_file(tmp_path / name)
