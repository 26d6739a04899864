"""What is shipped is whole, small, loads with diffusers and draws what it is asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")

import torch
from safetensors import safe_open
from safetensors.torch import load_file

import mosaic.stdlib.zoo as zoo
from mosaic.stdlib.zoo import checker, score, sets, world
from mosaic.stdlib.zoo.train import common, lora, pipeline, unet

EXPERTS: list[dict[str, Any]] = zoo.index()["experts"]
IDS = [expert["id"] for expert in EXPERTS]


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def reader() -> checker.Checker:
    return checker.Checker()


def test_the_zoo_is_complete() -> None:
    assert {"zoo/base", "zoo/base-b", "zoo/robot", "zoo/samurai", "zoo/neon", "zoo/watercolor"} <= set(IDS)
    assert sum(expert["kind"] == "lora" for expert in EXPERTS) >= 4
    assert {bridge["id"] for bridge in zoo.index()["bridges"]} == {"zoo/a-to-b", "zoo/b-to-a"}


def test_digests_and_sizes_are_those_of_the_files() -> None:
    for entry in [*EXPERTS, *zoo.index()["bridges"]]:
        for file in entry["files"]:
            data = (zoo.root() / file["path"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == file["sha256"], file["path"]
            assert len(data) == file["size"]


def test_all_of_it_is_at_most_twenty_four_megabytes() -> None:
    files = [path for path in (zoo.root() / "models").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 24_000_000


def test_no_file_names_a_place_on_a_machine() -> None:
    for path in (zoo.root() / "models").rglob("*.json"):
        assert "_name_or_path" not in json.loads(path.read_text())


def test_the_base_loads_as_a_pipeline_and_takes_adapters_and_the_embedding() -> None:
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(zoo.root() / "models" / "base", torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    path = zoo.root() / "models" / "neon.safetensors"
    pipe.load_lora_weights(load_file(path), adapter_name="neon")
    loaded = [name for name, _ in pipe.unet.named_parameters() if ".lora_" in name]
    assert len(loaded) == len(load_file(path))
    embedding = zoo.root() / "models" / "samurai.safetensors"
    pipe.load_textual_inversion(str(embedding.parent), weight_name=embedding.name)
    assert len(pipe.tokenizer.tokenize("a red <samurai>")) == 3
    picture = pipe("a red <samurai>, alley background", num_inference_steps=2, height=64, width=64).images[0]
    assert picture.size == (64, 64)


@pytest.mark.parametrize("expert", [e for e in EXPERTS if e["kind"] == "lora"], ids=lambda e: e["id"])
def test_every_adapter_fits_the_base_and_says_its_trigger(expert: dict[str, Any]) -> None:
    path = zoo.root() / expert["files"][0]["path"]
    tensors = load_file(path)
    model = unet.load(pipeline.folder("zoo/base", "unet"))
    assert pipeline.add_adapter(model, tensors, 0.5) * 2 == len(tensors) > 0
    assert all(tensors[key].shape[0] == lora.RANK for key in tensors if ".lora_A." in key)
    with safe_open(path, "pt") as file:
        assert file.metadata()["modelspec.trigger_phrase"] == expert["trigger"]


def test_the_checker_reads_drawn_pictures(reader: checker.Checker) -> None:
    made = common.scenes_of(world.wide_scene, 200, 4242)
    seen = reader.read(world.pixels(made, 31_000_000))
    right = sum(
        (s.subject, s.colour, s.background) == (r.subject, r.colour, r.background)
        for s, r in zip(made, seen, strict=True)
    )
    assert right >= 196


def test_the_checker_finds_all_that_a_set_asks_for(reader: checker.Checker) -> None:
    asked = [made.scene for made in sets.composition_sets(120)]
    seen = reader.read(world.pixels(asked, 32_000_000))
    assert sum(all(sets.met(*pair).values()) for pair in zip(asked, seen, strict=True)) >= 117


@pytest.mark.parametrize(
    ("name", "test"),
    [
        ("zoo/base", "subject and colour"),
        ("zoo/neon", "style"),
        ("zoo/crab", "character"),
        ("zoo/lava", "place"),
    ],
)
def test_a_batch_of_pictures_shows_what_was_asked(reader: checker.Checker, name: str, test: str) -> None:
    trial = score.trials(16, 16)[name]
    found = score.run_trial(pipeline.family(name), trial, reader, seeds=1)
    assert round(found[test]["share"] * 16) >= 14
