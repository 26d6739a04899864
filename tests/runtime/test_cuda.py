"""The engine on a GPU, where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from mosaic.runtime.denoise import SCHEDULERS
from mosaic.runtime.engine import Engine

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture(scope="module", params=["auto", "float32", "bfloat16"])
def cuda(request: Any, operators: Any) -> Engine:
    return Engine(
        locate=lambda file: Path(file.location), operators=operators, device="cuda", dtype=request.param
    )


@pytest.mark.parametrize("name", SCHEDULERS)
def test_cuts_and_repetitions_are_exact(name: str, cuda: Engine, tiny: Any, bench: Any, build: Any) -> None:
    model = build.load(tiny.expert)
    prompts = build.prompts(model)
    half = build.sample(model, prompts, scheduler=name, until=0.5)
    build.emit(build.sample(model, prompts, scheduler=name), "whole.safetensors")
    build.emit(build.resume(model, half, prompts), "resumed.safetensors")
    first = cuda.run(build.program(), bench.folder / "first")
    second = cuda.run(build.program(), bench.folder / "second")
    assert [e.sha256 for e in first.emitted] == [e.sha256 for e in second.emitted]
    whole, resumed = (e.path.read_bytes() for e in first.emitted)
    assert whole[-1024:] == resumed[-1024:]


def test_the_picture_is_that_of_the_cpu(
    cuda: Engine, tiny: Any, tuned: Any, kohya_lora: Path, bench: Any, build: Any, make_expert: Any
) -> None:
    model = build.load(tiny.expert)
    look = build.fuse(model, (make_expert(kohya_lora, "lora"), 0.5), (tuned.expert, 0.2))
    build.emit(build.decode(build.sample(look), look), "x.png", "image")
    theirs = cuda.run(build.program(), bench.folder / "cuda").emitted[0].path
    ours = bench.run(build).emitted[0].path
    pixels = [
        torch.tensor(list(Image.open(path).convert("RGB").getdata())).float() for path in (theirs, ours)
    ]
    assert (pixels[0] - pixels[1]).abs().mean() < 4


def test_networks_in_main_memory_give_the_same_in_less(
    tiny: Any, tuned: Any, kohya_lora: Path, bench: Any, build: Any, make_expert: Any, operators: Any
) -> None:
    model = build.load(tiny.expert)
    look = build.fuse(model, (make_expert(kohya_lora, "lora"), 0.5), (tuned.expert, 0.2))
    build.emit(build.decode(build.sample(look), look), "x.png", "image")
    made, most = [], []
    for offload in (False, True):
        runner = Engine(
            locate=lambda file: Path(file.location), operators=operators, device="cuda", offload=offload
        )
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        result = runner.run(build.program(), bench.folder / str(offload))
        made.append([each.sha256 for each in result.emitted])
        most.append(torch.cuda.max_memory_allocated() - before)
        del runner
    assert made[0] == made[1]
    assert most[1] < most[0]
