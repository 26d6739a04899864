"""A folder with one file of each format, through `mosaic catalog add`: the truth about all of them.

Files are written by the libraries that people use where those write such files, else with the names that trainers give.
"""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mosaic.cli.app import app

diffusers = pytest.importorskip("diffusers")
save_file = pytest.importorskip("safetensors.torch").save_file

Shapes = dict[str, tuple[int, ...]]
MODULE = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
"""Reads the text encoding: 768 wide in Stable Diffusion 1."""

EXPECTED: dict[str, tuple[str, str | None, str | None]] = {
    "checkpoint-folder": ("checkpoint", "sd1", None),
    "checkpoint-single": ("checkpoint", "sd1", None),
    "controlnet": ("control", "sd1", None),
    "dora": ("lora", "sd1", "dora"),
    "full": ("lora", "sd1", "full"),
    "ia3": ("lora", None, "ia3"),
    "inversion": ("embedding", "sd1", None),
    "inversion-of-four": ("embedding", "sd2", None),
    "inversion-xl": ("embedding", "sdxl", None),
    "loha": ("lora", "sd1", "loha"),
    "lokr": ("lora", "sd1", "lokr"),
    "lora-diffusers": ("lora", "sd1", "lora"),
    "lora-flux": ("lora", "flux", "lora"),
    "lora-kohya": ("lora", "sd1", "lora"),
    "lora-peft": ("lora", "sd1", "lora"),
    "lora-sd3": ("lora", "sd3", "lora"),
    "lora-xl": ("lora", "sdxl", "lora"),
    "slider": ("lora", None, "lora"),
    "vae": ("vae", None, None),
}


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    model_folder: Path,
    ldm_file: Path,
    unet: Any,
    vae: Any,
    write_tensors: Callable[..., Path],
) -> Path:
    here = tmp_path_factory.mktemp("gallery")

    def kohya(name: str, module: str, inputs: int, outputs: int) -> None:
        shapes = {f"{module}.lora_down.weight": (8, inputs), f"{module}.lora_up.weight": (outputs, 8)}
        write_tensors(here / f"{name}.safetensors", shapes, scalars={f"{module}.alpha": 4.0})

    def made(name: str, shapes: Shapes) -> None:
        write_tensors(here / f"{name}.safetensors", shapes)

    shutil.copytree(model_folder, here / "checkpoint-folder")
    shutil.copy(ldm_file, here / "checkpoint-single.safetensors")
    diffusers.ControlNetModel.from_unet(unet).save_pretrained(here / "controlnet")
    vae.save_pretrained(here / "vae")
    kohya("lora-kohya", MODULE, 768, 640)
    kohya("lora-xl", "lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_v", 2048, 640)
    kohya("lora-flux", "lora_unet_double_blocks_0_img_attn_qkv", 3072, 9216)
    kohya("lora-sd3", "lora_unet_joint_blocks_0_x_block_attn_qkv", 1536, 4608)
    kohya("slider", "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q", 640, 640)
    dotted = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    made(
        "lora-diffusers",
        {f"unet.{dotted}.lora.down.weight": (8, 768), f"unet.{dotted}.lora.up.weight": (640, 8)},
    )
    made(
        "lora-peft",
        {
            f"base_model.model.{dotted}.lora_A.weight": (8, 768),
            f"base_model.model.{dotted}.lora_B.weight": (640, 8),
        },
    )
    made(
        "dora",
        {
            f"{MODULE}.lora_down.weight": (8, 768),
            f"{MODULE}.lora_up.weight": (640, 8),
            f"{MODULE}.dora_scale": (640, 1),
        },
    )
    made(
        "loha", {f"{MODULE}.hada_w{n}_{s}": (640, 8) if s == "a" else (8, 768) for n in (1, 2) for s in "ab"}
    )
    made(
        "lokr",
        {f"{MODULE}.lokr_w1": (16, 16), f"{MODULE}.lokr_w2_a": (40, 8), f"{MODULE}.lokr_w2_b": (8, 48)},
    )
    made("full", {f"{MODULE}.diff": (640, 768)})
    made("ia3", {f"{MODULE}.weight": (640,), f"{MODULE}.on_input": ()})
    made("inversion", {"emb_params": (1, 768)})
    made("inversion-of-four", {"<hero>": (4, 1024)})
    made("inversion-xl", {"clip_l": (2, 768), "clip_g": (2, 1280)})
    for name in ("old.ckpt", "old.pt", "old.bin"):
        (here / name).write_bytes(pickle.dumps({"weight": [0.0]}))
    (here / "disguised.safetensors").write_bytes(pickle.dumps({"weight": [0.0]}))
    whole = (here / "lora-kohya.safetensors").read_bytes()
    (here / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    (here / "notes.txt").write_text("no model")
    return here


def test_the_truth_about_each(folder: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "c.duckdb")
    added = CliRunner().invoke(app, ["catalog", "add", str(folder), "--catalog", store, "--json"])
    assert added.exit_code == 1, added.output  # something was refused
    refused = {
        Path(entry["path"]).name: entry["diagnostics"][0]["code"]
        for entry in json.loads(added.stdout)["refused"]
    }
    assert refused == {
        "old.ckpt": "M803",
        "old.pt": "M803",
        "old.bin": "M803",
        "disguised.safetensors": "M803",
        "cut.safetensors": "M804",
    }
    found = {}
    for name in EXPECTED:
        shown = CliRunner().invoke(app, ["catalog", "show", f"local/{name}", "--catalog", store, "--json"])
        assert shown.exit_code == 0, (name, shown.output)
        facts = json.loads(shown.stdout)["facts"]
        adapter = facts.get("adapter")
        algorithm = adapter.get("algorithm", "lora") if adapter else None
        found[name] = (facts["kind"], facts.get("family"), algorithm)
    assert found == EXPECTED
