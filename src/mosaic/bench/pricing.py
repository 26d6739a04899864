"""How well predicted costs meet what runs take: seconds, the order of alternatives, peak memory.

Plans over the zoo and over models of random weights in the architecture of Stable Diffusion 1, by every operator that
takes LoRAs or checkpoints, in several sizes and numbers of steps. Each is priced by a profile that was measured just
before and then run, on one thread; seconds are the process's own, so that what else the machine does is left out as far
as it can be.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from mosaic.compiler.operators import Acts
from mosaic.compiler.source import SourceFile
from mosaic.compiler.types import Kind

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from mosaic.compiler.cost.profile import Profile
    from mosaic.project import Project

LORAS: Final = ("zoo/neon", "zoo/hat", "zoo/crown", "zoo/watercolor")
"""Experts of the zoo that are fused."""
RANDOM: Final = {"tiny": (32, 64, 64, 64), "middle": (64, 128, 256, 256)}
"""Channels of the levels of U-Nets with random weights; real ones have (320, 640, 1280, 1280)."""
DISTINCT: Final = 1.1
"""Two plans whose times differ by less than this factor have no order that could be predicted."""


@dataclass(frozen=True)
class Case:
    """A plan to be priced and run. Cases of one `group` differ only in their operator."""

    name: str
    group: str
    text: str


@dataclass(frozen=True)
class Row:
    """Seconds of a case with everything loaded, and with nothing: predicted and taken."""

    name: str
    group: str
    warm: float
    warm_taken: float
    cold: float
    cold_taken: float
    evaluations: tuple[int, int]
    rows: tuple[int, int]


@dataclass(frozen=True)
class Peak:
    """The most memory of a case in bytes, predicted and taken above what the process had before."""

    name: str
    predicted: int
    taken: int


def one_thread() -> None:
    """Let this process compute on one thread from now on."""
    import torch

    torch.set_num_threads(1)


def cases(operators: Sequence[tuple[str, bool]], folder: Path, *, small: bool = False) -> Iterator[Case]:
    """The plans; `operators` are names with whether they take LoRAs. Models of random weights lie in `folder`."""
    shapes = [(64, 8, 2), (128, 4, 3)] if small else [(64, 20, 2), (64, 12, 4), (96, 12, 3), (128, 8, 3)]
    for side, steps, count in shapes:
        group = f"zoo {side}x{side}, {steps} steps, {count} experts"
        for name, takes_loras in operators:
            experts = ", ".join(f'lora("{each}") * 0.8' for each in LORAS[:count])
            fused = experts if takes_loras else 'checkpoint("zoo/robot") * 0.5'
            yield Case(f"{group}, {name}", group, _plan("zoo/base", f"{fused}, via: {name}", side, steps))
    for model in RANDOM:
        path = folder / model
        for side, steps in ((64, 4), (128, 3)) if small else ((64, 8), (128, 6), (256, 4)):
            yield Case(
                f"{model} {side}x{side}, {steps} steps", model, _plan(f"./{path.name}", "", side, steps)
            )


def tiled(folder: Path, *, small: bool = False) -> Iterator[Case]:
    """Plans whose peak lies where pictures are decoded or encoded, whole and in tiles, by models in `folder`."""
    for model in RANDOM:
        for side in (384,) if small else (384, 640):
            sampled = (
                f'sample(base, prompt: "a red cat", steps: 1, guidance: 1, size: {side}x{side}, seed: 1)'
            )
            for tile in ("", "128x128", "256x192"):
                inside = f", tile: {tile}" if tile else ""
                told = f"in tiles of {tile}" if tile else "whole"
                for what, emitted, name in (
                    ("decoded", f"decode({sampled}{inside})", "a.png"),
                    (
                        "encoded",
                        f"encode(decode({sampled}, tile: 128x128), with: base{inside})",
                        "a.safetensors",
                    ),
                ):
                    text = f"""mosaic 1
plan case {{
  let base = checkpoint("./{(folder / model).name}")
  emit {emitted} as "{name}"
}}
"""
                    yield Case(f"{model} {side}x{side} {what} {told}", "tiles", text)


def _plan(base: str, fused: str, side: int, steps: int) -> str:
    model = f"fuse(base, {fused})" if fused else "base"
    return f"""mosaic 1
plan case {{
  let base = checkpoint("{base}")
  emit sample({model}, prompt: "a red cat", steps: {steps}, guidance: 3, size: {side}x{side}, seed: 1) as "a.png"
}}
"""


def installed(project: Project) -> list[tuple[str, bool]]:
    """Every operator that blends experts of the zoo."""
    operators = project.context(SourceFile("<case>", "")).operators.values()
    return [(each.name, Kind.LORA in each.accepts) for each in operators if each.acts in tuple(Acts)]


def measure(
    wanted: Sequence[Case],
    profile: Profile,
    folder: Path,
    done: Callable[[int, int], None] = lambda finished, total: None,
) -> list[Row]:
    """Price and run cases, each in an engine of its own: twice, the first time with nothing loaded."""
    from mosaic.compiler.cost.predict import price
    from mosaic.project import Project, engine

    one_thread()
    project, rows = Project(), []
    for number, case in enumerate(wanted):
        source = SourceFile(str(folder / "case.mosaic"), case.text)
        compiled = project.compile(source)
        predicted = price(compiled.graphs[0], project.context(source), profile)
        runner = engine(device="cpu")
        taken = []
        with tempfile.TemporaryDirectory() as output:
            for _ in range(2):
                started = time.process_time()
                result = runner.run(compiled.programs[0], Path(output))
                taken.append(time.process_time() - started)
        rows.append(
            Row(
                name=case.name,
                group=case.group,
                warm=predicted.warm,
                warm_taken=taken[1],
                cold=predicted.cold,
                cold_taken=taken[0],
                evaluations=(predicted.evaluations, result.evaluations),
                rows=(sum(each.rows for each in predicted.in_order), result.rows),
            )
        )
        done(number + 1, len(wanted))
    return rows


def peaks(wanted: Sequence[Case], profile: Profile, folder: Path) -> list[Peak]:
    """The peak memory of cases, each in a process of its own."""
    spawn = get_context("spawn")
    found = []
    for case in wanted:
        here, there = spawn.Pipe()
        worker = spawn.Process(target=_peak_of, args=(case, profile, folder, there), daemon=True)
        worker.start()
        predicted, taken = here.recv()
        worker.join()
        found.append(Peak(case.name, predicted, taken))
    return found


def _peak_of(case: Case, profile: Profile, folder: Path, pipe: Connection) -> None:
    from mosaic.bench.costs import _peak
    from mosaic.compiler.cost.predict import price
    from mosaic.project import Project, engine

    one_thread()
    project = Project()
    source = SourceFile(str(folder / "case.mosaic"), case.text)
    compiled = project.compile(source)
    predicted = price(compiled.graphs[0], project.context(source), profile)
    with tempfile.TemporaryDirectory() as output:
        # What libraries take for themselves at their first use is none of the plan's.
        first = project.compile(SourceFile("<first>", _plan("zoo/base", "", 64, 1)))
        engine(device="cpu").run(first.programs[0], Path(output))
        gc.collect()
        idle = _resident()
        engine(device="cpu").run(compiled.programs[0], Path(output))
    pipe.send((predicted.peak, _peak() - idle))


def _resident() -> int:
    """What this process has in memory now, in bytes; where the system does not say it, the most that it ever had."""
    from mosaic.bench.costs import _peak

    told = Path("/proc/self/statm")
    if not told.exists():
        return _peak()
    return int(told.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def random_models(folder: Path) -> None:
    """Checkpoints with random weights in the architecture of Stable Diffusion 1, with the zoo's tokenizer."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    from mosaic.stdlib import zoo

    for name, channels in RANDOM.items():
        torch.manual_seed(0)
        width = 2 * channels[0]
        parts: dict[str, Any] = {
            "unet": UNet2DConditionModel(
                sample_size=32, block_out_channels=channels, cross_attention_dim=width, attention_head_dim=8
            ),
            "vae": AutoencoderKL(
                block_out_channels=tuple(max(32, each // 2) for each in channels),
                layers_per_block=2,
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                latent_channels=4,
            ),
            "text_encoder": CLIPTextModel(
                CLIPTextConfig(
                    vocab_size=677,
                    hidden_size=width,
                    intermediate_size=4 * width,
                    num_hidden_layers=4,
                    num_attention_heads=max(1, width // 64),
                    max_position_embeddings=32,
                    bos_token_id=675,
                    eos_token_id=676,
                    pad_token_id=676,
                )
            ),
            "scheduler": DDIMScheduler(),
        }
        for part, network in parts.items():
            network.save_pretrained(folder / name / part)
        shutil.copytree(zoo.root() / "models/base/tokenizer", folder / name / "tokenizer")
        shutil.copy(zoo.root() / "models/base/model_index.json", folder / name / "model_index.json")


@dataclass(frozen=True)
class Accuracy:
    """Median of the errors |predicted / taken - 1|, warm and cold, and the share of pairs in the right order: of those
    that differ only in their operator, and of all, with how many they are."""

    warm: float
    cold: float
    alternatives: tuple[float, int]
    pairs: tuple[float, int]


def accuracy(rows: Sequence[Row]) -> Accuracy:
    """What the rows say together."""
    among = [(a, b) for a, b in itertools.combinations(rows, 2) if _distinct(a, b)]
    return Accuracy(
        warm=median(abs(row.warm / row.warm_taken - 1) for row in rows),
        cold=median(abs(row.cold / row.cold_taken - 1) for row in rows),
        alternatives=_right([(a, b) for a, b in among if a.group == b.group and a.group not in RANDOM]),
        pairs=_right(among),
    )


def _distinct(one: Row, other: Row) -> bool:
    low, high = sorted((one.warm_taken, other.warm_taken))
    return high >= DISTINCT * low


def _right(among: Sequence[tuple[Row, Row]]) -> tuple[float, int]:
    right = sum((a.warm < b.warm) is (a.warm_taken < b.warm_taken) for a, b in among)
    return (right / len(among) if among else 1.0), len(among)


def document(rows: Sequence[Row], found: Sequence[Peak], profile: Profile) -> str:
    """Everything that was measured, as JSON."""
    content = {
        "profile": asdict(profile),
        "rows": [asdict(row) for row in rows],
        "peaks": [asdict(peak) for peak in found],
    }
    return json.dumps(content, indent=1)


def table(rows: Sequence[Row], found: Sequence[Peak]) -> str:
    """The figures as a table in Markdown."""
    lines = ["| plan | predicted s | taken s | ratio | cold s | taken s |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {row.name} | {row.warm:.2f} | {row.warm_taken:.2f} | {row.warm / row.warm_taken:.2f} "
        f"| {row.cold:.2f} | {row.cold_taken:.2f} |"
        for row in rows
    ]
    lines += ["", "| plan | predicted MB | taken MB | ratio |", "|---|---|---|---|"]
    lines += [
        f"| {each.name} | {each.predicted / 1e6:.0f} | {each.taken / 1e6:.0f} "
        f"| {each.predicted / max(each.taken, 1):.2f} |"
        for each in found
    ]
    told = accuracy(rows)
    lines += [
        "",
        f"median error: {told.warm:.0%} warm, {told.cold:.0%} cold",
        f"alternatives in the right order: {told.alternatives[0]:.0%} of {told.alternatives[1]} pairs",
        f"plans in the right order: {told.pairs[0]:.0%} of {told.pairs[1]} pairs",
    ]
    if found:
        lines.append(
            "median error of peak memory: "
            f"{median(abs(each.predicted / max(each.taken, 1) - 1) for each in found):.0%}"
        )
    return "\n".join(lines)
