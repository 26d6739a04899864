"""`mosaic catalog relate`: pairs are measured, printed and kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mosaic.cli.app import app
from mosaic.stdlib import zoo

np = pytest.importorskip("numpy")
safetensors = pytest.importorskip("safetensors.numpy")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalog of two versions of one LoRA and an embedding, none of which the zoo knows by its bytes."""
    neon = safetensors.load_file(zoo.root() / "models" / "neon.safetensors")
    for name, factor in (("first", 1.5), ("second", 0.75)):
        tensors = {key: (value * np.float16(factor)) for key, value in neon.items()}
        safetensors.save_file(tensors, tmp_path / f"{name}.safetensors")
    shutil.copy(zoo.root() / "models" / "samurai.safetensors", tmp_path / "word.safetensors")
    added = run(tmp_path, "add", str(tmp_path))
    assert added.exit_code == 0, added.output
    return tmp_path


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["catalog", *words, "--catalog", str(folder / "c.duckdb")])


def test_a_pair_is_measured_and_kept(folder: Path) -> None:
    result = run(folder, "relate", "local/first", "local/second")
    assert result.exit_code == 0, result.output
    assert "local/first + local/second: overlap 100.0%" in result.output
    assert "cosine +1.000; against each other in 0%; 72 modules" in result.output
    shown = json.loads(run(folder, "relate", "local/first", "local/second", "--json").stdout)
    assert shown["pairs"][0]["value"]["shared"] == 72
    # What is kept is what a plan is judged by, though the files are gone.
    for name in ("first", "second"):
        (folder / f"{name}.safetensors").unlink()
    plan = folder / "p.mosaic"
    plan.write_text(
        'mosaic 1\nplan p { emit sample(fuse(checkpoint("zoo/base"), lora("local/first"), lora("local/second")),'
        ' prompt: "a cat") as "a.png" }\n'
    )
    checked = CliRunner().invoke(app, ["check", str(plan), "--catalog", str(folder / "c.duckdb")])
    assert "[M431]: `local/first` and `local/second` do nearly the same (cosine 1.00)" in checked.output


def test_what_is_no_pair_of_loras(folder: Path) -> None:
    assert "[M840]" in run(folder, "relate", "local/first", "local/nothere").output
    embedding = next(
        id for id in ("zoo/samurai", "local/word") if "M840" not in run(folder, "show", id).output
    )
    assert "[M215]" in run(folder, "relate", "local/first", embedding).output
    alone = run(folder, "relate", "local/first")
    assert alone.exit_code == 2
    assert "two LoRAs" in alone.output
    (folder / "second.safetensors").unlink()
    assert "not measured" in run(folder, "relate", "local/first", "local/second").output
