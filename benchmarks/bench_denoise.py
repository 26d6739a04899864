"""Our denoising loop against the pipeline of diffusers: same weights, same scheduler, same steps, same machine,
in turn in one go. What counts is the ratio; at most one means that the loop costs nothing.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from mosaic.compiler.program import Program
from mosaic.compiler.source import SourceFile
from mosaic.project import Project, engine
from mosaic.runtime.results import RunResult
from mosaic.stdlib import zoo

ROUNDS = 7
STEPS = 20
PROMPT = "a red cat in the meadow"
PLAN = f"""\
mosaic 1

plan bench {{
  emit sample(checkpoint("zoo/base"), prompt: "{PROMPT}", steps: {STEPS}, guidance: 3, seed: 7) as "bench.png"
}}
"""


def main() -> None:
    """Print medians of the denoising alone, and their ratio."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    (program,) = Project().compile(SourceFile("<bench>", PLAN)).programs
    worker = engine(device="cpu")
    pipeline = _pipeline()
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        worker.run(program, Path(folder))
        _denoise(pipeline)
        for _ in range(ROUNDS):
            ours.append(_denoising(program, worker.run(program, Path(folder))))
            started = time.perf_counter()
            _denoise(pipeline)
            theirs.append(time.perf_counter() - started)
    print(f"{STEPS} steps of ddim with guidance, {ROUNDS} rounds, {torch.get_num_threads()} thread(s)")
    for name, taken in (("mosaic", ours), ("diffusers", theirs)):
        print(f"{name:<28}{statistics.median(taken):>7.3f} s{min(taken):>7.3f} s (median, fastest)")
    print(f"ratio {statistics.median(ours) / statistics.median(theirs):.2f}")


def _denoising(program: Program, result: RunResult) -> float:
    """The seconds of the denoising instruction and of reading the prompts, which the pipeline does too."""
    wanted = [
        i for i, step in enumerate(program.instructions) if step.operation.op in {"denoise", "encode_text"}
    ]
    return sum(timing.seconds for timing in result.timings if timing.instruction in wanted)


def _pipeline() -> Any:
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(
        zoo.root() / "models" / "base", torch_dtype=torch.float32
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _denoise(pipeline: Any) -> None:
    pipeline(
        PROMPT,
        num_inference_steps=STEPS,
        guidance_scale=3.0,
        height=64,
        width=64,
        generator=torch.Generator().manual_seed(7),
        output_type="latent",
    )


if __name__ == "__main__":
    main()
