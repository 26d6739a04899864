"""What is written: the same bytes each time, with the plan inside, wholly or not at all."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.program import Emit, Instruction, Program
from mosaic.runtime.denoise import SCHEDULERS
from mosaic.runtime.engine import Engine
from mosaic.runtime.outputs import recipe, recover
from mosaic.runtime.writing import write


def everything(build: Any, tiny: Any, lora: Any) -> None:
    model = build.load(tiny.expert)
    look = build.fuse(model, (lora, 0.8))
    latent = build.sample(look)
    build.emit(build.decode(latent, look), "deep/er/picture.png", "image")
    build.emit(latent, "latent.safetensors", "latent")
    build.emit(look, "look.safetensors", "model")


def make_wider(tiny: Any, folder: Path, make_expert: Any) -> Any:
    """The tiny pipeline with a VAE of six channels."""
    shutil.copytree(tiny.folder, folder)
    vae = type(tiny.vae).from_config({**tiny.vae.config, "latent_channels": 6})
    vae.save_pretrained(folder / "vae")
    return make_expert(folder, "checkpoint")


@pytest.fixture
def lora(kohya_lora: Path, make_expert: Any) -> Any:
    return make_expert(kohya_lora, "lora", title="Kohya’s")


def test_the_same_program_gives_the_same_bytes(
    tiny: Any, lora: Any, bench: Any, build: Any, operators: Any
) -> None:
    everything(build, tiny, lora)
    first = bench.run(build, "first")
    fresh = Engine(locate=lambda file: Path(file.location), operators=operators, device="cpu")
    second = fresh.run(build.program(), bench.folder / "second")
    assert [e.sha256 for e in first.emitted] == [e.sha256 for e in second.emitted]
    names = ["deep/er/picture.png", "latent.safetensors", "look.safetensors"]
    assert [e.name for e in first.emitted] == names
    for name in names:
        assert (bench.folder / "first" / name).read_bytes() == (bench.folder / "second" / name).read_bytes()
    assert first.evaluations == 4
    assert [t.op for t in first.timings][:2] == ["load_model", "fuse"]
    assert [(k.expert, k.matched == k.total > 0) for k in first.keys] == [("./kohya.safetensors", True)]
    assert (first.device, first.dtype) == ("cpu", "float32")


def test_a_program_that_was_read_back_writes_the_same_recipe(tiny: Any, lora: Any, build: Any) -> None:
    everything(build, tiny, lora)
    program = build.program()
    source = program.source.model_copy(
        update={"parameters": {"strength": 1.0, "cut": 0.5, "on": True, "seed": 7}}
    )
    program = program.model_copy(update={"source": source})
    back = Program.from_json(program.to_json())
    emit = next(i.operation for i in program.instructions if isinstance(i.operation, Emit))
    assert recipe(program, "1", emit) == recipe(back, "1", emit)


@pytest.mark.parametrize("name", ["deep/er/picture.png", "latent.safetensors", "look.safetensors"])
def test_the_plan_comes_back(name: str, tiny: Any, lora: Any, bench: Any, build: Any) -> None:
    everything(build, tiny, lora)
    program = build.program()
    bench.run(build)
    found = recover(bench.folder / "out" / name)
    assert found.plan == program.source.text
    assert found.digest == program.digest
    assert found.parameters == {"seed": 7}
    assert found.plan_name == "p"
    assert [expert["id"] for expert in found.experts] == ["./tiny", "./kohya.safetensors"]
    assert found.experts[1]["strengths"] == [0.8]
    assert found.experts[1]["license"] == "CC0-1.0"


def test_no_trace_of_this_machine(tiny: Any, lora: Any, bench: Any, build: Any) -> None:
    everything(build, tiny, lora)
    for emitted in bench.run(build).emitted:
        assert str(bench.folder).encode() not in emitted.path.read_bytes()


def test_an_emitted_model_is_a_checkpoint(
    tiny: Any, tuned: Any, lora: Any, bench: Any, build: Any, make_expert: Any
) -> None:
    save_file({"<hero>": torch.randn(2, 64)}, bench.folder / "hero.safetensors")
    save_file(tuned.vae.state_dict(), bench.folder / "vae.safetensors")
    hero = make_expert(bench.folder / "hero.safetensors", "embedding", trigger="<hero>")
    vae = make_expert(bench.folder / "vae.safetensors", "vae")
    look = build.fuse(build.load(tiny.expert), (lora, 0.8), (hero, 1.0), (vae, 1.0))
    build.emit(look, "look.safetensors", "model")
    latent = build.sample(look, build.prompts(look, "a <hero> cat"))
    build.emit(build.decode(latent, look), "x.png", "image")
    first = bench.run(build).emitted
    again = type(build)()
    model = again.load(make_expert(first[0].path, "checkpoint", id="./look.safetensors"))
    latent = again.sample(model, again.prompts(model, "a <hero> cat"))
    again.emit(again.decode(latent, model), "x.png", "image")
    again.emit(model, "look.safetensors", "model")
    second = bench.run(again, "again").emitted
    pictures = [Image.open(path).tobytes() for path in (first[1].path, second[0].path)]
    assert pictures[0] == pictures[1]
    tensors = [load_file(path) for path in (first[0].path, second[1].path)]
    assert all(torch.equal(tensor, tensors[1][name]) for name, tensor in tensors[0].items())


def test_a_cut_latent_says_where_it_stands(tiny: Any, bench: Any, build: Any) -> None:
    build.emit(build.sample(build.load(tiny.expert), until=0.5, scheduler="unipc"), "half.safetensors")
    bench.run(build)
    with safe_open(bench.folder / "out" / "half.safetensors", "pt") as opened:
        run = json.loads(opened.metadata()["mosaic.run"])
    assert run == {"position": 2, "scheduler": "unipc", "total": 4}


def test_pictures_without_a_plan(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "photo.jpg")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.safetensors").write_bytes(b"")
    (tmp_path / "cut.png").write_bytes((tmp_path / "plain.png").read_bytes()[:40])
    for name in ("plain.png", "photo.jpg", "text.png", "empty.safetensors", "cut.png", "missing.png"):
        with pytest.raises(MosaicError) as caught:
            recover(tmp_path / name)
        assert caught.value.diagnostics[0].code == "M857"
        assert name in caught.value.diagnostics[0].message()


def test_an_output_that_cannot_be_written(tiny: Any, bench: Any, build: Any) -> None:
    (bench.folder / "out").write_text("a file where the folder should be")
    build.emit(build.load(tiny.expert), "look.safetensors", "model")
    with pytest.raises(MosaicError) as caught:
        bench.run(build)
    assert caught.value.diagnostics[0].code == "M855"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(MosaicError) as caught:
        write(tmp_path / "x.png", b"data")
    assert caught.value.diagnostics[0].code == "M855"


def test_an_interrupt_leaves_no_half_written_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.png").write_bytes(b"before")

    def interrupted(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "x.png", b"after")
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]
    assert (tmp_path / "x.png").read_bytes() == b"before"


def test_an_interrupt_while_denoising_leaves_nothing(
    tiny: Any, bench: Any, build: Any, operators: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupting:
        finished = 0

        def stage(self, label: str, total: int) -> None: ...

        def advance(self, done: int) -> None:
            if done == 2:
                raise KeyboardInterrupt

        def finish(self) -> None:
            self.finished += 1

    progress = Interrupting()
    engine = Engine(
        locate=lambda file: Path(file.location), operators=operators, device="cpu", progress=progress
    )
    model = build.load(tiny.expert)
    latent = build.sample(model)
    build.emit(latent, "x.safetensors")
    with pytest.raises(KeyboardInterrupt):
        engine.run(build.program(), bench.folder / "out")
    assert not (bench.folder / "out").exists()
    assert progress.finished == 1
    assert not torch.are_deterministic_algorithms_enabled()


def test_progress_follows_the_steps(tiny: Any, lora: Any, bench: Any, build: Any, operators: Any) -> None:
    seen: list[Any] = []

    class Listening:
        def stage(self, label: str, total: int) -> None:
            seen.append((label, total))

        def advance(self, done: int) -> None:
            seen.append(done)

        def finish(self) -> None:
            seen.append("over")

    model = build.load(tiny.expert)
    prompts = build.prompts(model)
    half = build.sample(model, prompts, steps=4, until=0.5)
    build.resume(model, half, prompts)
    engine = Engine(
        locate=lambda file: Path(file.location), operators=operators, device="cpu", progress=Listening()
    )
    engine.run(build.program(), bench.folder / "out")
    loading = [("load ./tiny", 1), ("read prompt", 1), ("read prompt", 1)]
    assert seen == [*loading, ("denoise", 2), 1, 2, ("resume", 2), 1, 2, "over"]


def malformed(bench: Any, program: Program, *codes: str) -> None:
    with pytest.raises(MosaicError) as caught:
        bench.engine.run(program, bench.folder / "out")
    assert [d.code for d in caught.value.diagnostics] == list(codes)


@pytest.mark.parametrize("path", ["../x.png", "/x.png", "a/../../x.png", "C:\\x.png", "a\\..\\x.png", ""])
def test_outputs_stay_in_their_folder(path: str, tiny: Any, bench: Any, build: Any) -> None:
    build.emit(build.load(tiny.expert), path, "model")
    malformed(bench, build.program(), "M858")


def test_malformed_programs(tiny: Any, bench: Any, build: Any) -> None:
    model = build.load(tiny.expert)
    build.add(Emit(value=model, path="x", type="image"))
    build.add(Emit(value=99, path="y", type="image"))
    build.instructions.append(
        Instruction(result=7, operation=build.instructions[0].operation, frees=(model,))
    )
    build.emit(model, "z", "model")
    build.emit(7, "z", "model")
    build.load(tiny.expert)
    malformed(bench, build.program(), *["M752"] * 4)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"steps": 0}, "M460"),
        ({"steps": -3}, "M460"),
        ({"steps": 1000}, "M460"),
        ({"steps": 1001}, "M460"),
        ({"guidance": float("nan")}, "M460"),
        ({"guidance": float("inf")}, "M460"),
        ({"seed": 1 << 64}, "M460"),
        ({"until": 0.0}, "M460"),
        ({"until": 0.01}, "M457"),
        ({"until": 1.5}, "M460"),
        ({"width": 15}, "M456"),
        ({"height": 0}, "M456"),
        ({"width": -16}, "M456"),
        ({"scheduler": "plms"}, "M464"),
    ],
)
def test_settings_out_of_range(
    settings: dict[str, Any], code: str, tiny: Any, bench: Any, build: Any
) -> None:
    build.sample(build.load(tiny.expert), **settings)
    malformed(bench, build.program(), code)


@pytest.mark.parametrize("size", [(2, 2), (6, 10), (14, 18)])
def test_any_multiple_of_the_vae_s_factor_runs(
    size: tuple[int, int], tiny: Any, bench: Any, build: Any
) -> None:
    width, height = size
    model = build.load(tiny.expert)
    build.emit(build.decode(build.sample(model, width=width, height=height), model), "x.png", "image")
    bench.run(build)
    with Image.open(bench.folder / "out" / "x.png") as written:
        assert written.size == size


def test_a_picture_beyond_all_memory(tiny: Any, bench: Any, build: Any) -> None:
    build.sample(build.load(tiny.expert), width=1 << 24, height=1 << 24)
    malformed(bench, build.program(), "M651")


def test_a_latent_of_other_channels(tiny: Any, bench: Any, build: Any, make_expert: Any) -> None:
    model = build.load(tiny.expert)
    latent = build.sample(model)
    other = make_wider(tiny, bench.folder / "wider", make_expert)
    build.decode(latent, build.load(other))
    malformed(bench, build.program(), "M459")


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("steps", [1, 2, 998])
def test_extreme_numbers_of_steps(name: str, steps: int, tiny: Any, bench: Any, build: Any) -> None:
    model = build.load(tiny.expert)
    prompts = build.prompts(model)
    latent = build.sample(model, prompts, steps=steps, until=min(1.0, 2 / steps), scheduler=name)
    if steps < 3:
        build.refine(model, latent, prompts, steps=steps, strength=1.0, scheduler=name)
    assert torch.isfinite(bench.latent(build, latent)).all()


def test_numbers_that_explode_are_told(tiny: Any, lora: Any, bench: Any, build: Any) -> None:
    look = build.fuse(build.load(tiny.expert), (lora, 1e30))
    build.sample(look)
    malformed(bench, build.program(), "M465")


def test_a_missing_device(operators: Any) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one here")
    with pytest.raises(MosaicError) as caught:
        Engine(locate=lambda file: Path(file.location), operators=operators, device="cuda")
    assert caught.value.diagnostics[0].code == "M859"


def test_the_longest_name_that_a_file_system_takes(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 125 + ".png")
    write(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
