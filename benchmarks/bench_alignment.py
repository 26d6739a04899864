"""Hand a picture over, part-way, from zoo/base to zoo/base-b, whose latent spaces differ, and read what is kept of it.

    python benchmarks/bench_alignment.py --conv bridge.safetensors --sheet sheet.png --json figures.json
    python benchmarks/bench_alignment.py --same-prompt --conv bridge.safetensors

Each prompt is begun by the first model and finished by the second: by each bridge, through a picture, and with the
latent as it is, which no plan can ask for. The second model is given no prompt, so that all that it knows of the
picture came with the latent; with --same-prompt it is given the first one's. The zoo's checker reads the pictures;
shares are given with their 95 % intervals.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow

from mosaic.compiler.program import Denoise, Expert, Resume
from mosaic.compiler.source import SourceFile
from mosaic.project import Project, engine
from mosaic.runtime import denoise
from mosaic.runtime.align import carry
from mosaic.runtime.bridges import Bridge, read_bridge
from mosaic.runtime.denoise import Denoising
from mosaic.runtime.evaluate import Meter
from mosaic.runtime.values import Conditioning, Latent, Model, Prompt
from mosaic.stdlib.zoo import world
from mosaic.stdlib.zoo.checker import Checker
from mosaic.stdlib.zoo.score import TESTS, held_out, share

STEPS, GUIDANCE, SEED = 20, 3.0, 40_000
FIRST, SECOND = "zoo/base", "zoo/base-b"
NOBODY = "nobody: zoo/base goes on"
RENOISED = "zoo/base to itself"
OWN = "zoo/base-b to itself"
SHOWED = ("subject", "colour", "background")
SHOWN = 8
PLAN = """mosaic 1
plan p {{
  let there = checkpoint("zoo/base-b")
  emit align(sample(checkpoint("zoo/base"), prompt: "a cat"), to: there{by}) as "p.png"
}}
"""

Finish = Callable[[Latent, str], Latent]


def experts(by: str = "") -> Mapping[str, Expert]:
    """The models and the bridge between them, by kind and id."""
    argument = f', by: "{by}"' if by else ""
    text = PLAN.format(by=argument)
    program = Project().compile(SourceFile("<bench>", text)).programs[0]
    return {expert.id if expert.kind != "bridge" else "bridge": expert for expert in program.experts}


def work(model: Model, text: str) -> Denoising:
    """What denoising a prompt takes."""
    positive, negative = (Conditioning((Prompt(words),)) for words in (text, ""))
    return Denoising(model, positive, negative, Meter(), _no_mask)


def _no_mask(index: int) -> torch.Tensor:
    raise AssertionError(f"no picture {index} here")


def begun(model: Model, text: str, seed: int, until: float) -> Latent:
    """A run of the first model, cut."""
    width, height = 64, 64
    wanted = Denoise(
        model=0, positive=0, negative=0, steps=STEPS, guidance=GUIDANCE, width=width, height=height, seed=seed,
        scheduler="ddim", until=until,
    )  # fmt: skip
    return denoise.sample(work(model, text), wanted)


def finished(model: Model, latent: Latent, text: str) -> Latent:
    """The rest of a run. Without a prompt there is nothing to guide by."""
    guidance = GUIDANCE if text else 1.0
    wanted = Resume(model=0, latent=0, positive=0, negative=0, guidance=guidance)
    return denoise.resume(work(model, text), latent, wanted)


def identity(channels: int) -> Bridge:
    """From a space to itself."""
    return Bridge("identity", "", "", torch.eye(channels)[:, :, None, None], torch.zeros(channels))


def picture(model: Model, latent: Latent) -> NDArray[np.uint8]:
    """A finished latent as pixels."""
    decoded = model.base.family.decode(model.vae, latent.sample)
    pixels = ((decoded[0].clamp(-1, 1) / 2 + 0.5) * 255).round().to(torch.uint8)
    return pixels.permute(1, 2, 0).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", type=int, default=120)
    parser.add_argument("--until", type=float, default=0.5, help="where the first model stops")
    parser.add_argument("--same-prompt", action="store_true", help="give the second model the prompt as well")
    parser.add_argument("--linear", help="a linear bridge beside the shipped one")
    parser.add_argument("--conv", help="a convolutional bridge")
    parser.add_argument("--sheet", type=Path, help="where the first eight prompts go as a contact sheet")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    worker = engine(device="cpu")
    known = experts()
    first, second = (Model.of(worker.base(known[id])) for id in (FIRST, SECOND))
    reader = worker._reader
    ways: dict[str, Bridge | None] = {"bridge zoo/a-to-b, linear": read_bridge(reader, known["bridge"])}
    if chosen.linear:
        ways["a linear bridge"] = read_bridge(reader, experts(chosen.linear)["bridge"])
    if chosen.conv:
        ways["a convolutional bridge"] = read_bridge(reader, experts(chosen.conv)["bridge"])
    ways["through a picture"] = None
    arms: dict[str, Finish] = {NOBODY: lambda half, text: finished(first, half, text)}
    # What fresh noise alone costs, within one space.
    for name, model in ((RENOISED, first), (OWN, second)):
        arms[name] = partial(_handed_over, model, model, identity(model.vae.channels))
    for name, bridge in ways.items():
        arms[name] = partial(_handed_over, first, second, bridge)
    arms["the latent as it is"] = lambda half, text: finished(second, half, text)
    scenes = held_out(chosen.prompts, 2027)
    drawn: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in arms}
    for number, scene in enumerate(scenes):
        text = world.caption(scene)
        half, other = (begun(model, text, SEED + number, chosen.until) for model in (first, second))
        for name, finish in arms.items():
            latent = finish(other if name == OWN else half, text if chosen.same_prompt else "")
            drawn[name].append(picture(first if name in (NOBODY, RENOISED) else second, latent))
    rows = {name: _row(scenes, pictures, drawn[NOBODY]) for name, pictures in drawn.items()}
    for name, row in rows.items():
        print(_line(name, row), flush=True)
    if chosen.json:
        told = {
            "prompts": len(scenes),
            "until": chosen.until,
            "same_prompt": chosen.same_prompt,
            "rows": rows,
        }
        chosen.json.write_text(json.dumps(told, indent=1) + "\n")
    if chosen.sheet:
        shown = np.concatenate([np.concatenate(pictures[:SHOWN], axis=1) for pictures in drawn.values()])
        large = shown.repeat(2, axis=0).repeat(2, axis=1)
        Pillow.fromarray(large).save(chosen.sheet, optimize=True)


def _handed_over(first: Model, second: Model, bridge: Bridge | None, half: Latent, text: str) -> Latent:
    return finished(second, carry(half, first, second, bridge), text)


def _row(
    scenes: list[world.Scene], pictures: list[NDArray[np.uint8]], wanted: list[NDArray[np.uint8]]
) -> dict[str, Any]:
    """What the checker finds, and how far the pictures are from those of the first model alone."""
    pairs = list(zip(scenes, Checker().read(np.stack(pictures)), strict=True))
    row: dict[str, Any] = {
        test: share([holds(*pair) for pair in pairs]) for test, holds in TESTS.items() if test in SHOWED
    }
    row["all"] = share([all(TESTS[test](*pair) for test in SHOWED) for pair in pairs])
    apart = [float(np.mean((a.astype(float) - b) ** 2)) for a, b in zip(pictures, wanted, strict=True)]
    row["rms"] = round(float(np.sqrt(np.mean(apart))), 1)
    return row


def _line(name: str, row: Mapping[str, Any]) -> str:
    shares = (
        f"{row[test]['share']:.1%} ({row[test]['low']:.0%}-{row[test]['high']:.0%})"
        for test in (*SHOWED, "all")
    )
    return f"| {name} | {' | '.join(shares)} | {row['rms']} |"


if __name__ == "__main__":
    main()
