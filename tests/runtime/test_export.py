"""An emitted model, read by diffusers from its file alone, and by mosaic again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load, load_file, save_file

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.source import SourceFile
from mosaic.compiler.weights import ldm
from mosaic.project import Project, engine
from mosaic.runtime.streaming import Entry, write_tensors
from mosaic.stdlib import zoo

PLAN = """\
mosaic 1

plan merged {
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")
  let look = fuse(base, neon * 0.8, lora("zoo/watercolor") * 0.4, via: sum)
  let image = sample(look, prompt: "{neon}, a red cat", steps: 4, guidance: 3, seed: 7)
  emit look as "look.safetensors"
  emit image as "cat.png"
  emit image as "cat.safetensors"
}
"""
AGAIN = """\
mosaic 1

plan again {
  let look = checkpoint("./look.safetensors")
  let image = sample(look, prompt: "neon style, a red cat", steps: 4, guidance: 3, seed: 7)
  emit look as "again.safetensors"
  emit resume(checkpoint("zoo/base"), sample(look, prompt: "a cat", until: 50%, steps: 4)) as "x.png"
  emit image as "cat.png"
}
"""


def pipeline(path: Path, config: Path, **more: Any) -> Any:
    """What a stranger writes. Nothing but the file's weights is taken from the file."""
    made = diffusers.StableDiffusionPipeline.from_single_file(
        str(path), config=str(config), local_files_only=True, safety_checker=None, **more
    )
    made.set_progress_bar_config(disable=True)
    return made


def drawn(made: Any, prompt: str, side: int, steps: int = 4) -> torch.Tensor:
    generator = torch.Generator("cpu").manual_seed(7)
    latent: torch.Tensor = made(
        prompt,
        negative_prompt="",
        num_inference_steps=steps,
        guidance_scale=3.0,
        width=side,
        height=side,
        generator=generator,
        output_type="latent",
    ).images
    return latent


def compiled(text: str, place: Path) -> Any:
    (place / "plan.mosaic").write_text(text)
    result = Project().compile(SourceFile(str(place / "plan.mosaic"), text))
    assert not [each.message() for each in result.diagnostics if str(each.severity) == "error"]
    return result.programs[0]


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zoo's base with two of its styles, emitted."""
    folder = tmp_path_factory.mktemp("merged")
    engine(device="cpu").run(compiled(PLAN, folder), folder)
    return folder


@pytest.fixture(scope="module")
def published(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in the true architecture of Stable Diffusion 1 (four levels, two layers, three of them with attention),
    32 and 64 channels wide."""
    folder = tmp_path_factory.mktemp("published") / "sd1"
    shutil.copytree(tiny.folder, folder)
    torch.manual_seed(3)
    unet = diffusers.UNet2DConditionModel(
        sample_size=8, block_out_channels=(32, 32, 64, 64), cross_attention_dim=64, attention_head_dim=8
    )
    vae = diffusers.AutoencoderKL(
        block_out_channels=(32, 32, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
    )
    for name, part in (("unet", unet), ("vae", vae)):
        shutil.rmtree(folder / name)
        part.save_pretrained(folder / name)
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "safety_checker": [None, None],
        "feature_extractor": [None, None],
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def test_diffusers_draws_the_zoo_s_merged_model(merged: Path) -> None:
    made = pipeline(merged / "look.safetensors", zoo.root() / "models" / "base")
    theirs = drawn(made, "neon style, a red cat", 64)
    ours = load_file(merged / "cat.safetensors")["latent"]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    plain = drawn(
        diffusers.StableDiffusionPipeline.from_pretrained(
            zoo.root() / "models" / "base", torch_dtype=torch.float32
        ),
        "neon style, a red cat",
        64,
    )
    assert (plain - theirs).abs().max() > 0.1


def test_diffusers_draws_the_published_architecture(
    published: Path, tuned: Any, bench: Any, build: Any, make_expert: Any, tmp_path: Path
) -> None:
    other = shutil.copytree(published, tmp_path / "other")
    unet = diffusers.UNet2DConditionModel.from_pretrained(published / "unet")
    generator = torch.Generator().manual_seed(11)
    state = {
        name: tensor + 0.02 * torch.randn(tensor.shape, generator=generator)
        for name, tensor in unet.state_dict().items()
    }
    unet.load_state_dict(state)
    unet.save_pretrained(other / "unet")
    look = build.fuse(
        build.load(make_expert(published, "checkpoint")), (make_expert(other, "checkpoint"), 0.5)
    )
    latent = build.sample(look, width=64, height=64)
    build.emit(look, "look.safetensors", "model")
    build.emit(latent, "latent.safetensors")
    bench.run(build)
    path = bench.folder / "out" / "look.safetensors"
    made = pipeline(path, published)
    ours = load_file(bench.folder / "out" / "latent.safetensors")["latent"]
    torch.testing.assert_close(ours, drawn(made, "a red cat", 64), rtol=1e-4, atol=1e-4)
    parts = {"unet": made.unet, "vae": made.vae, "text_encoder": made.text_encoder}
    tensors = {
        f"{part}.{name}": t for part, module in parts.items() for name, t in module.state_dict().items()
    }
    stored = load_file(path)
    for name, original in ldm.from_diffusers(tensors).items():
        assert torch.equal(tensors[name], stored[original].reshape(tensors[name].shape).float()), name


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_parts_by_themselves(part: str, merged: Path) -> None:
    kind = {"unet": diffusers.UNet2DConditionModel, "vae": diffusers.AutoencoderKL}[part]
    path = merged / "look.safetensors"
    read = kind.from_single_file(
        str(path), config=str(zoo.root() / "models" / "base"), subfolder=part, local_files_only=True
    )
    whole = pipeline(path, zoo.root() / "models" / "base")
    for name, tensor in getattr(whole, part).state_dict().items():
        assert torch.equal(tensor, read.state_dict()[name])


def test_a_plan_reads_it_back(merged: Path) -> None:
    program = compiled(AGAIN, merged)
    (look,) = (expert for expert in program.experts if expert.id == "./look.safetensors")
    assert (look.family, look.prediction, look.latent_space) == ("sd1", "v", "zoo-a")
    assert look.license == "Apache-2.0"
    engine(device="cpu").run(program, merged / "second")
    first, second = (load_file(merged / name) for name in ("look.safetensors", "second/again.safetensors"))
    assert first.keys() == second.keys()
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert all(tensor.dtype == second[name].dtype for name, tensor in first.items())


def test_a_stranger_sees_how_it_was_made(merged: Path) -> None:
    with safe_open(merged / "look.safetensors", "pt") as opened:
        told = opened.metadata()
    spec = {
        key.removeprefix("modelspec."): text for key, text in told.items() if key.startswith("modelspec.")
    }
    assert spec == {
        "sai_model_spec": "1.0.1",
        "architecture": "stable-diffusion-v1",
        "implementation": "https://github.com/CompVis/stable-diffusion",
        "title": "look",
        "description": "Fused by mosaic: sum(zoo/base, zoo/neon * 0.8, zoo/watercolor * 0.4)",
        "merged_from": "Zoo base, Neon, Watercolor",
        "license": "Apache-2.0",
        "usage_hint": "Trigger words: neon style, watercolor style",
        "prediction_type": "v",
        "resolution": "64x64",
    }
    recipe = json.loads(told["mosaic.recipe"])
    assert recipe["base"] == {"expert": "zoo/base"}
    assert recipe["operator"] == "sum"
    wanted = [{"expert": "zoo/neon", "strength": 0.8}, {"expert": "zoo/watercolor", "strength": 0.4}]
    assert recipe["operands"] == wanted
    rows = json.loads(told["mosaic.experts"])
    assert all(len(digest) == 64 for row in rows for digest in row["files"].values())
    assert [row["license"] for row in rows] == ["Apache-2.0"] * 3


def test_the_vae_stays_as_small_as_it_was_stored(merged: Path) -> None:
    tensors = load_file(merged / "look.safetensors")
    stored = load_file(zoo.root() / "models" / "base" / "vae" / "diffusion_pytorch_model.safetensors")
    for name, original in ldm.from_diffusers(f"vae.{name}" for name in stored).items():
        before = stored[name.removeprefix("vae.")]
        assert tensors[original].dtype == before.dtype == torch.float16
        assert torch.equal(tensors[original].reshape(before.shape), before)
    assert {tensor.dtype for name, tensor in tensors.items() if not name.startswith(ldm.VAE)} == {
        torch.float32
    }


def test_added_words_are_rows_that_other_readers_must_be_told_of(
    tiny: Any, bench: Any, build: Any, make_expert: Any, published: Path, tmp_path: Path
) -> None:
    save_file({"<hero>": torch.randn(2, 64)}, tmp_path / "hero.safetensors")
    hero = make_expert(tmp_path / "hero.safetensors", "embedding", trigger="<hero>")
    build.emit(
        build.fuse(build.load(make_expert(published, "checkpoint")), (hero, 1.0)), "look.safetensors", "model"
    )
    bench.run(build)
    path = bench.folder / "out" / "look.safetensors"
    with pytest.raises((ValueError, RuntimeError)):
        pipeline(path, published)
    told = shutil.copytree(published, tmp_path / "told")
    with safe_open(path, "pt") as opened:
        config = json.loads(opened.metadata()["mosaic.config.text_encoder"])
    written = json.loads((told / "text_encoder" / "config.json").read_text())
    (told / "text_encoder" / "config.json").write_text(
        json.dumps({**written, "vocab_size": config["vocab_size"]})
    )
    encoder = pipeline(path, told).text_encoder
    assert isinstance(encoder, transformers.CLIPTextModel)
    assert encoder.get_input_embeddings().weight.shape[0] == config["vocab_size"] == written["vocab_size"] + 2


NAMES = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda name: name != "__metadata__")
NUMBERS = st.sampled_from([torch.float32, torch.float16, torch.bfloat16])


@given(dtypes=st.dictionaries(NAMES, NUMBERS, max_size=6))
@settings(max_examples=50, deadline=None)
def test_any_names_in_any_order(dtypes: dict[str, torch.dtype], tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("names")
    made = {name: torch.randn(3, 2).to(dtype) for name, dtype in dtypes.items()}
    entries = {name: Entry(t.dtype, (3, 2), partial(t.clone)) for name, t in made.items()}
    first = write_tensors(folder / "x.safetensors", entries, {"b": "ü", "a": "1"})
    backwards = dict(reversed(entries.items()))
    assert write_tensors(folder / "y.safetensors", backwards, {"a": "1", "b": "ü"}) == first
    read = load((folder / "x.safetensors").read_bytes())
    assert read.keys() == made.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in made.items())


@pytest.mark.parametrize("fault", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_what_breaks_off_leaves_nothing(fault: Any, tmp_path: Path) -> None:
    def broken() -> torch.Tensor:
        raise fault

    (tmp_path / "x.safetensors").write_bytes(b"before")
    one = Entry(torch.float32, (2,), lambda: torch.ones(2))
    with pytest.raises(fault):
        write_tensors(tmp_path / "x.safetensors", {"a": one, "b": Entry(torch.float32, (2,), broken)}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]
    assert (tmp_path / "x.safetensors").read_bytes() == b"before"


def test_a_full_disk_is_told() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no such device here")
    big = Entry(torch.float32, (2,), lambda: torch.ones(2))
    with pytest.raises(MosaicError) as caught:
        write_tensors(full / "x.safetensors", {"a": big}, {})
    assert caught.value.diagnostics[0].code == "M855"


@pytest.mark.slow
def test_no_second_copy_is_held() -> None:
    """A model of 600 MB whose tensors are all computed when they are written: the peak is a few of them."""
    script = Path(__file__).parent / "exporting.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["written"] > 500e6
    assert told["peak"] - told["loaded"] < 4 * told["largest"] + 64e6
