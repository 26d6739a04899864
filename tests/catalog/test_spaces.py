"""One VAE is one latent space, however it is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mosaic.catalog.headers import Headers
from mosaic.catalog.spaces import known_spaces, vae_digest
from mosaic.compiler.facts import ExpertFacts, FileFact
from mosaic.compiler.types import Kind
from mosaic.compiler.weights import ldm

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

VAE = "diffusion_pytorch_model.safetensors"


def digest(path: Path) -> str:
    return vae_digest(path, Headers().read(path, path.name))


def facts(path: Path, space: str) -> ExpertFacts:
    file = FileFact("vae", "0" * 64, 1, str(path), f"vae/{path.name}")
    return ExpertFacts("x", Kind.CHECKPOINT, "sd1", space, "v", (file,))


def test_in_every_layout(tmp_path: Path, model_folder: Path, ldm_file: Path) -> None:
    alone = model_folder / "vae" / VAE
    whole = safetensors.load_file(ldm_file)
    inner = {name.removeprefix(ldm.VAE): each for name, each in whole.items() if name.startswith(ldm.VAE)}
    safetensors.save_file(inner, tmp_path / "inner.safetensors")
    traces = {**inner, "loss.logvar": torch.zeros(1)}
    safetensors.save_file(traces, tmp_path / "traces.safetensors")
    old = {
        name.replace(".to_q.", ".query.").replace(".to_out.0.", ".proj_attn."): each
        for name, each in safetensors.load_file(alone).items()
    }
    safetensors.save_file(old, tmp_path / "old.safetensors")
    places = (ldm_file, *(tmp_path / f"{name}.safetensors" for name in ("inner", "traces", "old")))
    assert [digest(path) for path in places] == [digest(alone)] * 4


def test_one_number_makes_another(tmp_path: Path, model_folder: Path) -> None:
    tensors = safetensors.load_file(model_folder / "vae" / VAE)
    tensors["decoder.conv_in.bias"][0] += 1
    safetensors.save_file(tensors, tmp_path / VAE)
    assert digest(tmp_path / VAE) != digest(model_folder / "vae" / VAE)


def test_known_ones(model_folder: Path, tmp_path: Path) -> None:
    path = model_folder / "vae" / VAE
    assert known_spaces([facts(path, "zoo-a")]) == {"0" * 64: "zoo-a", digest(path): "zoo-a"}
    assert known_spaces([facts(tmp_path / "gone.safetensors", "zoo-a")]) == {"0" * 64: "zoo-a"}


def test_a_folder_and_a_single_file_are_one_space(model_folder: Path, ldm_file: Path) -> None:
    from mosaic.catalog.reading.expert import read_one

    spaces: list[Any] = [read_one(path) for path in (model_folder, ldm_file)]
    assert spaces[0].facts.space == spaces[1].facts.space == f"vae-{digest(ldm_file)[:8]}"
