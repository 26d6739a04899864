"""Models by path in every form, and files that cannot be used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from PIL import Image
from safetensors.torch import load_file, save_file

from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.program import Expert


def with_tokenizer(expert: Expert, tiny: Any) -> Expert:
    files = [file for file in tiny.expert.files if file.role == "tokenizer"]
    return expert.model_copy(update={"files": (*expert.files, *files)})


def refuses(bench: Any, build: Any, code: str) -> Diagnostic:
    with pytest.raises(MosaicError) as caught:
        bench.run(build)
    assert [d.code for d in caught.value.diagnostics] == [code]
    assert not list(bench.folder.glob("out/*"))
    found: Diagnostic = caught.value.diagnostics[0]
    return found


def picture(bench: Any, build: Any, expert: Expert) -> bytes:
    model = build.load(expert)
    build.emit(build.decode(build.sample(model), model), "x.png", "image")
    with Image.open(bench.run(build).emitted[-1].path) as opened:
        return opened.tobytes()


def test_the_fixture_has_the_original_layout(single: Path, tiny: Any) -> None:
    tensors = load_file(single)
    unet = convert_ldm_unet_checkpoint(dict(tensors), {"layers_per_block": 1})
    vae = convert_ldm_vae_checkpoint(dict(tensors), {"down_block_types": (0, 0), "up_block_types": (0, 0)})
    for converted, module in ((unet, tiny.unet), (vae, tiny.vae)):
        state = module.state_dict()
        assert set(converted) == set(state)
        assert all(torch.equal(converted[name], state[name]) for name in state)


def test_a_single_file_gives_the_folder_s_picture(
    single: Path, tiny: Any, bench: Any, build: Any, make_expert: Any
) -> None:
    # Two engines' worth of loading in one program: the same networks from both forms.
    whole, one = build.load(tiny.expert), build.load(with_tokenizer(make_expert(single, "checkpoint"), tiny))
    first, second = bench.latents(build, build.sample(whole), build.sample(one))
    # CLIP's activation cannot be read off a file; SD1's is the quick one, the tiny folder's likewise.
    torch.testing.assert_close(first, second)


def test_a_single_file_needs_a_tokenizer(single: Path, bench: Any, build: Any, make_expert: Any) -> None:
    build.load(make_expert(single, "checkpoint"))
    found = refuses(bench, build, "M854")
    assert "tokenizer" in found.message()
    assert "beside the file" in found.help()[0]


def test_an_expert_may_borrow_parts(tiny: Any, tuned: Any, bench: Any, build: Any) -> None:
    own = [file for file in tuned.expert.files if file.role == "unet"]
    rest = [file for file in tiny.expert.files if file.role != "unet"]
    mixed = tiny.expert.model_copy(update={"files": (*own, *rest), "id": "./mixed"})
    base, other = build.load(tiny.expert), build.load(mixed)
    look = build.fuse(base, (mixed, 1.0))
    values = [build.sample(model) for model in (base, other, look)]
    first, second, third = bench.latents(build, *values)
    assert not torch.allclose(first, second)
    torch.testing.assert_close(second, third, rtol=1e-4, atol=1e-4)


def test_tensors_that_a_model_does_not_use(tiny: Any, bench: Any, build: Any, make_expert: Any) -> None:
    folder = bench.folder / "more"
    shutil.copytree(tiny.folder, folder)
    extra = {
        "text_encoder/model.safetensors": ("text_model.embeddings.position_ids", "logit_scale"),
        "vae/diffusion_pytorch_model.safetensors": ("loss.logvar",),
    }
    for path, names in extra.items():
        more = {name: torch.zeros(1) for name in names}
        save_file({**load_file(folder / path), **more}, folder / path)
    # A pickle beside the safetensors file is passed over, and never opened.
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"no weights")
    assert picture(bench, build, make_expert(folder, "checkpoint")) == picture(
        bench, type(build)(), tiny.expert
    )


def test_names_of_older_libraries(tiny: Any, bench: Any, build: Any, make_expert: Any) -> None:
    folder = bench.folder / "old"
    shutil.copytree(tiny.folder, folder)
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    names = (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn"))
    old = {}
    for name, tensor in load_file(weights).items():
        for new, was in names:
            name = name.replace(f".{new}.", f".{was}.")
        old[name] = tensor
    save_file(old, weights)
    text = folder / "text_encoder" / "model.safetensors"
    save_file({f"text_model.{name}": tensor for name, tensor in load_file(text).items()}, text)
    old_picture = picture(bench, build, make_expert(folder, "checkpoint"))
    assert old_picture == picture(bench, type(build)(), tiny.expert)


@pytest.mark.parametrize("layout", ["diffusers", "original"])
def test_a_vae_replaces_the_model_s_own(
    layout: str, tiny: Any, tuned: Any, single: Path, bench: Any, build: Any, make_expert: Any
) -> None:
    path = bench.folder / "vae.safetensors"
    if layout == "diffusers":
        save_file(tuned.vae.state_dict(), path)
    else:
        # Another VAE than the tuned one's: this is the tiny one's again, so only the route is tested.
        tensors = load_file(single)
        prefix = "first_stage_model."
        save_file({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}, path)
    model = build.load(tiny.expert)
    look = build.fuse(model, (make_expert(path, "vae"), 1.0))
    latent = build.sample(model)
    build.emit(build.decode(latent, look), "look.png", "image")
    build.emit(build.decode(latent, model), "plain.png", "image")
    look_digest, plain_digest = (emitted.sha256 for emitted in bench.run(build).emitted)
    assert (look_digest == plain_digest) is (layout == "original")


def test_a_picture_goes_in_and_out(tiny: Any, bench: Any, build: Any) -> None:
    path = bench.folder / "photo.png"
    Image.radial_gradient("L").resize((24, 16)).save(path)
    model = build.load(tiny.expert)
    latent = build.encode(build.image(path), model)
    (sample,) = bench.latents(build, latent)
    pixels = torch.tensor(list(Image.open(path).getdata()), dtype=torch.float32).reshape(16, 24)
    rgb = (pixels / 127.5 - 1).expand(1, 3, 16, 24)
    theirs = tiny.vae.encode(rgb).latent_dist.mean * tiny.vae.config.scaling_factor
    torch.testing.assert_close(sample, theirs, rtol=1e-4, atol=1e-5)


def test_a_file_that_changed(tiny: Any, bench: Any, build: Any, make_expert: Any) -> None:
    folder = bench.folder / "changing"
    shutil.copytree(tiny.folder, folder)
    expert = make_expert(folder, "checkpoint")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    build.load(expert)
    found = refuses(bench, build, "M751")
    assert str(weights) in found.message()


def test_missing_files_are_all_named(tiny: Any, bench: Any, build: Any, make_expert: Any) -> None:
    folder = bench.folder / "gone"
    shutil.copytree(tiny.folder, folder)
    build.load(make_expert(folder, "checkpoint"))
    for name in ("unet/config.json", "vae/config.json"):
        (folder / name).unlink()
    with pytest.raises(MosaicError) as caught:
        bench.run(build)
    assert [d.code for d in caught.value.diagnostics] == ["M851", "M851"]


@pytest.mark.parametrize("keep", [0, 7, 100, -10])
def test_a_truncated_file(keep: int, tiny: Any, bench: Any, build: Any, make_expert: Any) -> None:
    folder = bench.folder / "cut"
    shutil.copytree(tiny.folder, folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    build.load(make_expert(folder, "checkpoint"))
    assert "diffusion_pytorch_model" in refuses(bench, build, "M852").message()


def test_a_pickle_is_never_opened(tiny: Any, bench: Any, build: Any, make_expert: Any) -> None:
    folder = bench.folder / "pickled"
    shutil.copytree(tiny.folder, folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()
    build.load(make_expert(folder, "checkpoint"))
    refuses(bench, build, "M853")


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("unet/config.json", "{", "M860"),
        ("unet/config.json", "[]", "M860"),
        ("unet/config.json", json.dumps({"block_out_channels": "many"}), "M860"),
        ("unet/config.json", json.dumps({"block_out_channels": [32, 64]}), "M860"),
        ("text_encoder/config.json", json.dumps({"hidden_size": 63}), "M860"),
        ("text_encoder/config.json", json.dumps({"hidden_size": 32}), "M453"),
        ("vae/config.json", json.dumps({"block_out_channels": [64]}), "M453"),
        ("tokenizer/tokenizer.json", "{}", "M860"),
        ("tokenizer/tokenizer.json", "\udcff", "M860"),
    ],
)
def test_configurations_that_do_not_work(
    name: str, text: str, code: str, tiny: Any, bench: Any, build: Any, make_expert: Any
) -> None:
    folder = bench.folder / "odd"
    shutil.copytree(tiny.folder, folder)
    (folder / name).write_bytes(text.encode(errors="surrogateescape"))
    build.load(make_expert(folder, "checkpoint"))
    refuses(bench, build, code)


@pytest.mark.parametrize(
    "odd", [{"beta_schedule": "steep"}, {"num_train_timesteps": "x"}, {"prediction_type": "x"}]
)
def test_noise_schedules_that_do_not_work(
    odd: dict[str, Any], tiny: Any, bench: Any, build: Any, make_expert: Any
) -> None:
    folder = bench.folder / "odd"
    shutil.copytree(tiny.folder, folder)
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **odd}))
    build.sample(build.load(make_expert(folder, "checkpoint")))
    refuses(bench, build, "M860")


def test_a_configuration_cannot_ask_for_code(tiny: Any, bench: Any, build: Any, make_expert: Any) -> None:
    folder = bench.folder / "code"
    shutil.copytree(tiny.folder, folder)
    path = folder / "text_encoder" / "config.json"
    remote = {"_attn_implementation": "some/kernel", "attn_implementation": "some/kernel"}
    more = {"auto_map": {"AutoModel": "evil.Model"}, "trust_remote_code": True}
    path.write_text(json.dumps({**json.loads(path.read_text()), **remote, **more}))
    assert picture(bench, build, make_expert(folder, "checkpoint"))


def test_parts_that_do_not_fit_each_other(tiny: Any, bench: Any, build: Any, make_expert: Any) -> None:
    folder = bench.folder / "misfit"
    shutil.copytree(tiny.folder, folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    del tensors["conv_in.weight"]
    save_file(tensors, weights)
    build.load(make_expert(folder, "checkpoint"))
    assert "unet.conv_in.weight" in refuses(bench, build, "M453").help()[0]


def test_a_family_that_cannot_run(tiny: Any, bench: Any, build: Any) -> None:
    build.load(tiny.expert.model_copy(update={"family": "flux"}))
    assert "sd1" in refuses(bench, build, "M462").message()
