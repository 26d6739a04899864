"""Every stage of the training runs end to end for a few steps, in a temporary folder."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")

import torch

from mosaic.stdlib import zoo
from mosaic.stdlib.zoo.train import lora, optim, pipeline, ship, shipped, text, unet, vae
from mosaic.stdlib.zoo.train.__main__ import STAGES
from mosaic.stdlib.zoo.train.common import Job, learning_rate


@pytest.fixture
def settings() -> Iterator[None]:
    """What a stage changes of the process is taken back: other tests mind threads and denormal numbers."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


@pytest.mark.slow
@pytest.mark.usefixtures("settings")
def test_all_stages_run_and_ship(tmp_path: Path) -> None:
    job = Job(tmp_path / "work", scale=0.001, threads=2, target=tmp_path / "package")
    for run in STAGES.values():
        run(job)
    assert (tmp_path / "package" / "index.json").exists()
    assert (tmp_path / "package" / "models" / "base" / "model_index.json").exists()


@pytest.mark.usefixtures("settings")
def test_a_new_expert_is_trained_on_the_shipped_parts_and_changes_no_other_byte(tmp_path: Path) -> None:
    package, job = tmp_path / "package", Job(tmp_path / "work", 0.001, 1, tmp_path / "package")
    shutil.copytree(zoo.root() / "models", package / "models")
    shutil.copy(zoo.root() / "index.json", package / "index.json")
    shipped.fill(job)
    STAGES["heart"](job)
    ship.run(job)
    old, new = zoo.index(), json.loads((package / "index.json").read_text())
    assert [e["id"] for e in new["experts"]] == [e["id"] for e in old["experts"]]
    changed = [
        e["id"] for e, f in zip(new["experts"], old["experts"], strict=True) if e["files"] != f["files"]
    ]
    assert changed == ["zoo/heart"]
    assert new["bridges"] == old["bridges"]
    files = [p for p in (zoo.root() / "models").rglob("*") if p.is_file() and p.name != "heart.safetensors"]
    for path in files:
        copy = package / "models" / path.relative_to(zoo.root() / "models")
        assert hashlib.sha256(copy.read_bytes()).digest() == hashlib.sha256(path.read_bytes()).digest(), path


def test_whitened_latents_have_unit_covariance_and_decode_alike() -> None:
    torch.manual_seed(0)
    model = vae.build(vae.B).eval().requires_grad_(False)
    images = torch.rand(8, 3, 64, 64) * 2 - 1
    before = vae.decode(model, vae.encode(model, images))
    vae.whiten(model, images)
    flat = vae.encode(model, images).permute(1, 0, 2, 3).flatten(1)
    assert torch.allclose(torch.cov(flat), torch.eye(4), atol=2e-2)
    assert torch.allclose(vae.decode(model, vae.encode(model, images)), before, atol=1e-2)


def test_muon_brings_singular_values_near_one() -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(optim.orthogonal(torch.randn(3, 24, 80)))
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_muon_learns_a_linear_map() -> None:
    torch.manual_seed(0)
    model, wanted, rows = torch.nn.Linear(8, 8), torch.randn(8, 8), torch.randn(64, 8)
    optimizer = optim.Muon(model)
    for step in range(400):
        loss = (model(rows) - rows @ wanted).pow(2).mean()
        loss.backward()
        optimizer.step(0.1 if step < 200 else 0.01)
    assert loss < 0.1


def test_the_rate_rises_holds_and_falls() -> None:
    rates = [learning_rate(step, 1000, 1.0) for step in (0, 60, 399, 700, 999)]
    assert rates[0] < rates[1] == rates[2] > rates[3] > rates[4] > 0


def test_every_word_is_one_token_and_any_text_is_read() -> None:
    from mosaic.stdlib.zoo import world

    tokens = text.tokenizer()
    assert all(len(tokens(word).input_ids) == 3 for word in world.vocabulary())
    assert len(tokens("Zürich 漢字 <samurai>").input_ids) > 3


def test_the_loss_is_that_of_the_velocity() -> None:
    class Zero(torch.nn.Module):
        def forward(
            self, x: torch.Tensor, t: torch.Tensor, h: torch.Tensor, return_dict: bool
        ) -> tuple[torch.Tensor]:
            return (torch.zeros_like(x),)

    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(64, 4, 16, 16, generator=generator)
    # The velocity of unit noise and unit signal has unit variance at every time.
    assert abs(float(unet.v_loss(Zero(), latents, latents, generator)) - 1) < 0.02


def test_an_adapter_is_the_same_in_training_as_weights_and_in_diffusers() -> None:
    torch.manual_seed(0)
    base = unet.build(unet.A.widths, unet.A.heads).eval().requires_grad_(False)
    trained, added, loaded = (copy.deepcopy(base) for _ in range(3))
    deltas = lora.attach(trained)
    with torch.no_grad():
        for delta in deltas.values():
            delta.up.normal_(0, 0.05)
    tensors = lora.state(deltas)
    assert pipeline.add_adapter(added, tensors, 1.0) * 2 == len(tensors)
    loaded.load_lora_adapter(dict(tensors), prefix="unet")
    inputs = torch.randn(1, 4, 16, 16), torch.tensor([500]), torch.randn(1, text.LENGTH, text.WIDTH)
    with torch.no_grad():
        wanted, one, other, plain = (m(*inputs).sample for m in (trained, added, loaded, base))
    assert torch.allclose(one, wanted, atol=1e-4)
    assert torch.allclose(other, wanted, atol=1e-4)
    assert not torch.allclose(plain, wanted, atol=1e-2)
