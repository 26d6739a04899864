"""Emitting a merged model against `safetensors.torch.save_file` of the same tensors, merged already: seconds and peak
memory, each in a process of its own, in turn.

The model has Stable Diffusion 1's architecture with random numbers in float16, its UNet narrower; two LoRAs of rank 16
over every attention and feed-forward layer of the UNet are merged into it. What is timed begins when the model is
loaded (ours: fuse and emit) or the merged tensors are in memory (theirs) and ends when the file is written; peaks are
above what was held then.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from mosaic.compiler.source import SourceFile
from mosaic.project import Project, engine
from mosaic.stdlib import zoo

WIDTHS = (192, 384, 768, 768)
RANK = 16
PLAN = """\
mosaic 1

plan bench {
  let base = checkpoint("./model")
  let look = fuse(base, lora("./first.safetensors") * 0.8, lora("./second.safetensors") * 0.5, via: sum)
  emit look as "look.safetensors"
}
"""


def main() -> None:
    """Print medians and peaks of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    if given.part:
        print(json.dumps(_ours(given.folder) if given.part == "ours" else _theirs(given.folder)))
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make(folder)
        taken: dict[str, list[dict[str, float]]] = {"ours": [], "theirs": []}
        for _ in range(given.rounds):
            for part, runs in taken.items():
                runs.append(_alone(part, folder))
        size = (folder / "out" / "look.safetensors").stat().st_size
    print(f"a model of {size / 1e6:.0f} MB, {given.rounds} rounds, {torch.get_num_threads()} thread(s)")
    for name, runs in zip(("mosaic, merging too", "save_file"), taken.values(), strict=True):
        seconds, processor = (statistics.median(run[key] for run in runs) for key in ("seconds", "processor"))
        most = max(run["peak"] for run in runs) / 1e6
        print(
            f"{name:<24}{seconds:>7.2f} s {processor:>7.2f} s of processor time {most:>6.0f} MB more than before"
        )
    for key in ("seconds", "processor"):
        ours, theirs = (statistics.median(run[key] for run in runs) for runs in taken.values())
        print(f"ratio of {key} {ours / theirs:.2f}")


def _alone(part: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.bench_export", "--part", part, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _ours(folder: Path) -> dict[str, float]:
    (program,) = Project().compile(SourceFile(str(folder / "plan.mosaic"), PLAN)).programs
    memory = _Memory()
    engine(device="cpu", dtype="float16", progress=memory).run(program, folder / "out")
    return memory.taken()


class _Memory(threading.Thread):
    """The most memory that is held, looked up a hundred times a second. Pages of files that are only mapped do not
    count: the system takes them back when it needs them. Told of the engine's progress, it begins with the fusion."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._before = self._most = 0.0
        self._over = threading.Event()
        self.clock = self.processor = 0.0

    def run(self) -> None:
        """Look, until it is over."""
        while not self._over.wait(0.01):
            self._most = max(self._most, _held())

    def grown(self) -> float:
        """Bytes above those at the beginning."""
        self._over.set()
        self.join()
        return self._most - self._before

    def stage(self, label: str, total: int) -> None:
        """A fusion begins, or something else."""
        if label.startswith("fuse"):
            gc.collect()
            self._before = self._most = _held()
            self.start()
            self.clock, self.processor = time.perf_counter(), time.process_time()

    def taken(self) -> dict[str, float]:
        """Seconds by the clock and of processor time since the beginning, and bytes."""
        clock, processor = time.perf_counter() - self.clock, time.process_time() - self.processor
        return {"seconds": clock, "processor": processor, "peak": self.grown()}

    def advance(self, done: int) -> None:
        """Not looked at."""

    def finish(self) -> None:
        """Not looked at."""


def _theirs(folder: Path) -> dict[str, float]:
    from safetensors.torch import load_file, save_file

    tensors = {
        name: tensor.clone() for name, tensor in load_file(folder / "out" / "look.safetensors").items()
    }
    memory = _Memory()
    memory.stage("fuse", 1)
    save_file(tensors, folder / "theirs.safetensors")
    return memory.taken()


def _held() -> float:
    """Bytes of memory that no file stands behind (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * float(next(line.split()[1] for line in lines if line.startswith("RssAnon:")))


def make(
    folder: Path,
    widths: Sequence[int] = WIDTHS,
    loras: Sequence[str] = ("first", "second"),
    rank: int = RANK,
) -> None:
    """A model of Stable Diffusion 1's architecture and LoRAs for it, all of random numbers, in a folder."""
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(1)
    unet = UNet2DConditionModel(
        sample_size=64, block_out_channels=tuple(widths), cross_attention_dim=768
    ).half()
    encoder = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=768,
            intermediate_size=3072,
            num_hidden_layers=12,
            num_attention_heads=12,
            hidden_act="quick_gelu",
        )
    ).half()
    vae = AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
    ).half()
    model = folder / "model"
    parts = {"unet": unet, "text_encoder": encoder, "vae": vae, "scheduler": DDIMScheduler()}
    for name, part in parts.items():
        part.save_pretrained(model / name)
    shutil.copytree(zoo.root() / "models" / "base" / "tokenizer", model / "tokenizer")
    shutil.copy(zoo.root() / "models" / "base" / "model_index.json", model)
    for name in loras:
        _lora(unet, folder / f"{name}.safetensors", rank)
    (folder / "plan.mosaic").write_text(PLAN)


def _lora(unet: Any, path: Path, rank: int) -> None:
    from safetensors.torch import save_file

    tensors = {}
    for name, layer in unet.named_modules():
        if isinstance(layer, torch.nn.Linear) and ".transformer_blocks." in name:
            out, inside = layer.weight.shape
            tensors[f"unet.{name}.lora_A.weight"] = torch.randn(rank, inside).half() / rank
            tensors[f"unet.{name}.lora_B.weight"] = torch.randn(out, rank).half() / rank
    save_file(tensors, path)


if __name__ == "__main__":
    main()
