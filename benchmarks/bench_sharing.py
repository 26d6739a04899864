"""Many pictures of one invocation against a diffusers pipeline that keeps its models resident.

The pipeline has every LoRA loaded before the clock starts, and switches adapters, strengths and windows by
`set_adapters`, as a service does. Both draw the same pictures: how far they are apart is printed. Ratios count; above
one, mosaic is faster.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.measuring import quantile

from mosaic.compiler.program import Program
from mosaic.compiler.source import SourceFile
from mosaic.project import Project, engine
from mosaic.stdlib import zoo

STEPS = 20

Pictures = list[np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Request:
    """A picture of the base with LoRAs at strengths, each from a part of the run on."""

    prompt: str
    seed: int
    experts: tuple[tuple[str, float], ...]
    begins: float = 0.0

    def plan(self) -> str:
        """As mosaic has it."""
        window = f" during {100 * self.begins:g}%..100%" if self.begins else ""
        operands = ", ".join(f'lora("{name}") * {strength:g}{window}' for name, strength in self.experts)
        model = f'fuse(checkpoint("zoo/base"), {operands}, via: sum)'
        settings = f"steps: {STEPS}, guidance: 3, size: 64x64, seed: {self.seed}"
        return (
            f'mosaic 1\nplan p {{ emit sample({model}, prompt: "{self.prompt}", {settings}) as "p.png" }}\n'
        )


class Peer:
    """A pipeline that has the LoRAs of all requests."""

    def __init__(self, names: Sequence[str]) -> None:
        from diffusers import DDIMScheduler, StableDiffusionPipeline

        self.pipeline: Any = StableDiffusionPipeline.from_pretrained(
            zoo.root() / "models" / "base", torch_dtype=torch.float32
        )
        self.pipeline.scheduler = DDIMScheduler.from_config(self.pipeline.scheduler.config)
        self.pipeline.set_progress_bar_config(disable=True)
        for name in names:
            short = name.removeprefix("zoo/")
            self.pipeline.load_lora_weights(
                zoo.root() / "models" / f"{short}.safetensors", adapter_name=short
            )

    def draw_together(self, requests: Sequence[Request]) -> np.ndarray[Any, Any]:
        """The pictures of requests that differ in their seeds, in one batch."""
        names = [name.removeprefix("zoo/") for name, _ in requests[0].experts]
        self.pipeline.set_adapters(names, [strength for _, strength in requests[0].experts])
        pictures = self.pipeline(
            [each.prompt for each in requests],
            num_inference_steps=STEPS,
            guidance_scale=3.0,
            height=64,
            width=64,
            generator=[torch.Generator().manual_seed(each.seed) for each in requests],
            output_type="np",
        ).images
        return np.asarray((pictures * 255).round(), dtype=np.uint8)

    def draw(self, request: Request) -> np.ndarray[Any, Any]:
        """The picture of a request."""
        names = [name.removeprefix("zoo/") for name, _ in request.experts]
        weights = [strength for _, strength in request.experts]
        first = round(request.begins * STEPS)
        self.pipeline.set_adapters(names, weights if first == 0 else [0.0] * len(weights))

        def switch(pipeline: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
            if step + 1 == first:
                pipeline.set_adapters(names, weights)
            return values

        picture = self.pipeline(
            request.prompt,
            num_inference_steps=STEPS,
            guidance_scale=3.0,
            height=64,
            width=64,
            generator=torch.Generator().manual_seed(request.seed),
            output_type="np",
            callback_on_step_end=switch if first else None,
        ).images[0]
        return np.asarray((picture * 255).round(), dtype=np.uint8)


def sweep() -> list[Request]:
    """Four strengths by four windows of one LoRA, one seed."""
    return [
        Request("a red cat in the meadow, neon style", 7, (("zoo/neon", strength),), begins)
        for strength in (0.4, 0.6, 0.8, 1.0)
        for begins in (0.6, 0.7, 0.8, 0.9)
    ]


def seeds() -> list[Request]:
    """Sixteen seeds of one look."""
    look = (("zoo/hat", 1.0), ("zoo/watercolor", 0.7))
    return [Request("a red cat wearing a hat, watercolor style", seed, look) for seed in range(16)]


def stream(count: int, rng: random.Random) -> list[Request]:
    """Requests for looks by Zipf's law: pairs of LoRAs at one of three strengths, a prompt of ten, a seed of five."""
    loras = [entry["id"] for entry in zoo.index()["experts"] if entry["kind"] == "lora"]
    looks = [
        tuple(sorted((name, rng.choice((0.6, 0.8, 1.0))) for name in rng.sample(loras, rng.choice((1, 2)))))
        for _ in range(40)
    ]
    prompts = [
        f"a {colour} {what}" for colour in ("red", "blue") for what in ("cat", "car", "fish", "house", "tree")
    ]
    weights = [1 / (rank + 1) for rank in range(len(looks))]
    return [
        Request(
            rng.choices(prompts, [1 / (rank + 1) for rank in range(len(prompts))])[0],
            rng.randrange(5),
            rng.choices(looks, weights)[0],
        )
        for _ in range(count)
    ]


def compare(
    name: str, requests: Sequence[Request], rounds: int, batches: Sequence[int | None] = (None,)
) -> None:
    """Print seconds of both and their ratio, without batches and with such of the rows of several pictures."""
    peer = Peer(sorted({expert for each in requests for expert, _ in each.experts}))
    ratios: dict[int | None, list[tuple[float, float]]] = {batch: [] for batch in batches}
    apart: dict[int | None, list[tuple[float, float]]] = {batch: [] for batch in batches}
    for _ in range(rounds):
        theirs = _timed(lambda: [peer.draw(each) for each in requests])
        for batch in batches:
            with tempfile.TemporaryDirectory() as folder:
                ours = _timed(lambda at=Path(folder), batch=batch: _ours(requests, at, batch))  # type: ignore[misc]
            apart[batch] += map(_distance, ours.pictures, theirs.pictures)
            ratios[batch].append((theirs.clock / ours.clock, theirs.processor / ours.processor))
            print(f"  {_named(name, batch)}: mosaic {ours}, diffusers {theirs}", flush=True)
    for batch in batches:
        clock, processor = (quantile([each[which] for each in ratios[batch]], 0.5) for which in (0, 1))
        faster = (
            f"{clock:.2f} times faster by the clock, {processor:.2f} by the processor (median of {rounds})"
        )
        mean, most = (max(each[which] for each in apart[batch]) for which in (0, 1))
        print(
            f"{_named(name, batch)}: {faster}; pictures {mean:.2f} levels apart, a pixel {most:.0f} at most"
        )


def compare_memory() -> None:
    """Print what drawing in one batch takes of both, each in a process of its own that has drawn one picture before:
    seconds, and bytes above what was held then."""
    for name in ("mosaic", "diffusers"):
        command = [sys.executable, "-m", "benchmarks.bench_sharing", "memory", "--part", name]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        seconds, held = map(float, done.stdout.split()[-2:])
        print(f"16 seeds in one batch, {name}: {seconds:.2f} s, {held / 1e6:.0f} MB at the peak")


def _memory(name: str, requests: Sequence[Request]) -> tuple[float, float]:
    if name == "mosaic":
        with tempfile.TemporaryDirectory() as folder:
            _ours(requests[:1], Path(folder), len(requests))
            return _peak(lambda: _ours(requests, Path(folder), len(requests)))
    peer = Peer(sorted({expert for each in requests for expert, _ in each.experts}))
    peer.draw(requests[0])
    return _peak(lambda: peer.draw_together(requests))


def _peak(action: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and the most memory above what is held now (Linux)."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, started = _status("VmRSS"), time.perf_counter()
    action()
    return time.perf_counter() - started, _status("VmHWM") - before


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * float(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))


def _named(name: str, batch: int | None) -> str:
    return name if batch is None else f"{name}, --batch {batch}"


def _ours(requests: Sequence[Request], folder: Path, batch: int | None) -> list[np.ndarray[Any, Any]]:
    """Compiling is part of the work; the engine starts with nothing loaded."""
    from PIL import Image

    project, worker = Project(), engine(device="cpu", batch=batch)
    programs: list[Program] = [
        project.compile(SourceFile("<bench>", each.plan())).programs[0] for each in requests
    ]
    folders = [folder / str(number) for number in range(len(requests))]
    worker.run_all(programs, folders)
    return [np.asarray(Image.open(each / "p.png").convert("RGB")) for each in folders]


@dataclass(frozen=True)
class Timed:
    """Pictures, with the seconds that they took by the clock and of the processor: what else the machine does is in the
    first, and waiting for the disk is not in the second."""

    clock: float
    processor: float
    pictures: Pictures

    def __str__(self) -> str:
        return f"{self.clock:.2f} s ({self.processor:.2f} s of the processor)"


def _timed(action: Callable[[], Pictures]) -> Timed:
    clock, processor = time.perf_counter(), time.process_time()
    pictures = action()
    return Timed(time.perf_counter() - clock, time.process_time() - processor, pictures)


def _distance(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> tuple[float, float]:
    """The mean and the largest difference of two pictures, in levels of 256."""
    apart = np.abs(one.astype(int) - other.astype(int))
    return float(apart.mean()), float(apart.max())


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("only", nargs="?", choices=["sweep", "seeds", "memory", "stream"])
    parser.add_argument("--part", choices=["mosaic", "diffusers"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    if chosen.part:
        print(*_memory(chosen.part, seeds()))
        return
    if chosen.only in (None, "sweep"):
        compare("sweep of 4 strengths by 4 windows", sweep(), chosen.rounds)
    if chosen.only in (None, "seeds"):
        compare("16 seeds of one look", seeds(), chosen.rounds, (None, 1, 4, 8, 16))
    if chosen.only in (None, "memory"):
        compare_memory()
    if chosen.only in (None, "stream"):
        compare(f"stream of {chosen.requests} requests", stream(chosen.requests, random.Random(5)), 1)


if __name__ == "__main__":
    main()
