"""Measuring a device: the coefficients by which plans are priced on it.

Each figure is the lower quartile of a few repetitions of work in the shapes that diffusion networks have. What cannot
be told by work alone (the cost of a call, of a step, of building a network) is told by a small model that is run as a
plan runs it. The whole takes well under a minute on a CPU.
"""

from __future__ import annotations

import hashlib
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from mosaic.compiler.cost.architecture import Architecture
from mosaic.compiler.cost.profile import COMPARED, CUT, Profile, Rates
from mosaic.compiler.operators import Acts, Effort, Operator
from mosaic.compiler.program import Denoise, Program
from mosaic.runtime.devices import Device, deterministic, memory
from mosaic.runtime.engine import Engine
from mosaic.runtime.outputs import write_image
from mosaic.runtime.values import Base, Image, Model
from mosaic.runtime.weights import Combine, Deltas, Factors

_ENOUGH = 0.25
"""Seconds of repetitions after which a figure stands."""
_MOST = 25


@dataclass(frozen=True)
class Sample:
    """A small model to be run: a program that samples once, its operators, and the networks of its checkpoint."""

    program: Program
    operators: Mapping[str, Operator]
    architecture: Architecture


def calibrate(engine: Engine, sample: Sample, said: Callable[[str], None] = lambda what: None) -> Profile:
    """The profile of the device that an engine runs on. `said` hears what is being measured. Raises MosaicError."""
    device = engine.device
    with torch.no_grad(), deterministic(device):
        said("matrix products, convolutions, attention")
        rates = _rates(device, device.dtype)
        single = rates if device.dtype is torch.float32 else _rates(device, torch.float32)
        said("memory")
        bandwidth, transfer = _bandwidth(device), _transfer(device)
        said("disk")
        disk, (save, png) = _disk(), _pictures()
        profile = Profile(
            name=_name(device),
            device=device.name,
            dtype=device.dtype_name,
            memory=memory(device),
            rates=rates,
            single=single,
            bandwidth=bandwidth,
            transfer=transfer,
            disk=disk,
            launch=0.0,
            step=0.0,
            module=0.0,
            touch=0.0,
            save=save,
            png=png,
        )
        said("merging")
        touch, merge = _merging(device, sample.operators)
        profile = replace(profile, touch=touch, merge=merge)
        said("a small model")
        return _model(engine, sample, profile)


def _rates(device: Device, dtype: torch.dtype) -> Rates:
    scale = 1 if device.name == "cpu" else 4

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, device=device.torch).to(dtype)

    rows, width = 1024 * scale, 320
    into, wide = random(rows, width), random(8 * width, width)
    picture, kernel = random(1, 128, 32 * scale, 32 * scale), random(128, 128, 3, 3)
    product = _typical(device, lambda: F.linear(into, wide))
    convolved = _typical(device, lambda: F.conv2d(picture, kernel, padding=1))
    attention, weighed = _attention(
        [_attending(device, random(1, heads, rows, 320 // heads)) for heads in (5, 40)], rows
    )
    return Rates(
        matmul=2.0 * rows * width * 8 * width / product,
        conv=2.0 * kernel.numel() * (32 * scale) ** 2 / convolved,
        attention=attention,
        weighed=weighed,
    )


def _attending(device: Device, heads: torch.Tensor) -> float:
    return _typical(device, lambda: F.scaled_dot_product_attention(heads, heads, heads))


def _attention(seconds: Sequence[float], rows: int) -> tuple[float, float]:
    """Operations and weighed pairs a second, told by the same products with 5 and with 40 heads."""
    few, many = seconds
    weighing = max((many - few) / 35, few / 100) / rows**2
    products = max(few - 5 * weighing * rows**2, few / 4)
    return 4.0 * 320 * rows**2 / products, 1 / weighing


def _bandwidth(device: Device) -> float:
    """Bytes a second that are read and written."""
    numbers = (1 << 24) if device.name == "cpu" else (1 << 28)
    source = torch.ones(numbers, device=device.torch)
    target = torch.empty_like(source)
    return 8.0 * numbers / _typical(device, lambda: target.copy_(source))


def _transfer(device: Device) -> float:
    """Bytes a second of weights that are brought from a file's format to the device's, where it computes with them."""
    source = torch.ones(1 << 23, dtype=torch.float16)
    size = source.numel() * torch.empty((), dtype=device.dtype).element_size()
    return size / _typical(device, lambda: source.to(device=device.torch, dtype=device.dtype, copy=True))


def _disk() -> float:
    """Bytes a second of a file that is hashed and then read, from the disk and not from the system's memory of it."""
    size, taken = 1 << 24, []
    with tempfile.NamedTemporaryFile() as file:
        file.write(os.urandom(size))
        file.flush()
        os.fsync(file.fileno())
        for _ in range(3):
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            started = time.perf_counter()
            hashlib.sha256(Path(file.name).read_bytes())
            taken.append(time.perf_counter() - started)
    return size / min(taken)


def _pictures() -> tuple[float, float]:
    """Seconds to write a small picture, and the pixels of a large one that are written in a second."""
    small, side = 16, 384
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:

        def seconds(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> float:
            return _typical(None, lambda: write_image(Image(pixels), Path(folder, "a.png"), {}))

        save = seconds(noise[:small, :small])
        return save, side * side / max(seconds(noise) - save, 1e-6)


def _merging(device: Device, operators: Mapping[str, Operator]) -> tuple[float, dict[str, float]]:
    """Seconds for one tensor of one operand, and for each number of it by what kernels do with it: the median over
    operators.

    Two operands are merged; the base costs what adding an operand costs.
    """
    weights = [each for each in operators.values() if each.acts is Acts.WEIGHTS and not each.selector]
    weights.sort(key=lambda each: list(Effort).index(each.effort))
    touch = _merge(device, weights[0], 0, side=4) / 3
    numbers = 384 * 384
    adds = max(_merge(device, weights[0], 0) - 3 * touch, 1e-6) / 3 / numbers
    found: dict[Effort, list[float]] = {}
    for operator in weights:
        taken = _merge(device, operator, 0) - 3 * touch
        found.setdefault(operator.effort, []).append(max(taken / numbers - adds, 2 * adds) / 2)
    figures: dict[str, float] = {str(effort): statistics.median(seconds) for effort, seconds in found.items()}
    cut = _merge(device, weights[-1], 8) - _merge(device, weights[-1], 0)
    # Four operands are compared five times before they are added up.
    more = _merge(device, weights[0], 0, count=4) - 5 * touch - 5 * adds * numbers
    figures[COMPARED] = max(more / numbers / 5, 0.0)
    return touch, {**figures, CUT: max(cut / numbers, adds)}


def _merge(device: Device, operator: Operator, rank: int, side: int = 384, count: int = 2) -> float:
    """Seconds of merging so many LoRAs into one matrix."""
    width = min(16, side)
    settings = {each.name: each.default for each in operator.settings if each.name != "rank"}
    generator = torch.Generator().manual_seed(0)

    def operand(key: str) -> Deltas:
        down, up = (torch.randn(shape, generator=generator) for shape in ((width, side), (side, width)))

        def dense(where: torch.device) -> torch.Tensor:
            return Factors(down.to(where), up.to(where), None, 1.0).dense()

        return Deltas(0.5, {"matrix": dense}, key)

    given = tuple(operand(f"the {number + 1}.") for number in range(count))
    stored = torch.randn((side, side), generator=generator)
    combine = Combine(operator.kernel, settings, rank)
    return _typical(
        device, lambda: combine.tensor("matrix", lambda name: stored, given, device.dtype, device.torch)
    )


def _model(engine: Engine, sample: Sample, profile: Profile) -> Profile:
    """The costs of building networks, of a call and of a step, told by a model that is run."""
    (expert,) = (each for each in sample.program.experts if each.kind == "checkpoint")
    device, known = engine.device, sample.architecture
    now = _clock(device)
    started = now()
    base = engine.base(expert)
    building = now() - started  # its files are small: reading them takes next to nothing of it
    tensors = sum(network.tensors for network in known.networks)
    least = _call(base, known, 1, 2, 2) / known.denoiser.launches
    profile = _reached(replace(profile, launch=least), base, known)
    few, many = _steps(sample.program, 2), _steps(sample.program, 8)
    with tempfile.TemporaryDirectory() as folder:
        short, long = (
            _typical(device, partial(engine.run, program, Path(folder))) for program, _ in (few, many)
        )
    sampled = many[1]
    height, width = sampled.height // known.factor, sampled.width // known.factor
    call = _call(base, known, 2, height, width)
    return replace(
        profile,
        module=max(building, 1e-3) / tensors,
        step=max((long - short) / (8 - 2) - call, least),
    )


def _reached(profile: Profile, base: Base, known: Architecture) -> Profile:
    """The profile with what a whole network reaches on a CPU: its layers are smaller than what rates are measured on,
    and the time of a call is not that of a call that computes next to nothing. Two sizes tell the two apart. On a GPU a
    small network tells launching alone."""
    if profile.overlaps:
        return profile
    sizes, rows = (16, 32), 2
    works = [known.denoiser.work(rows, side, side, known.tokens) for side in sizes]
    others = [replace(work, matmul=0.0, conv=0.0, attention=0.0, weighed=0.0, launches=0.0) for work in works]
    beside = [profile.seconds(other) for other in others]
    computing = [profile.seconds(replace(w, launches=0.0)) - b for w, b in zip(works, beside, strict=True)]
    taken = [_call(base, known, rows, side, side) - b for side, b in zip(sizes, beside, strict=True)]
    slower = (taken[1] - taken[0]) / (computing[1] - computing[0])
    slower = min(max(slower, 0.8), 3.0)
    launch = max((taken[0] - slower * computing[0]) / works[0].launches, profile.launch / 2)
    return replace(
        profile,
        launch=launch,
        rates=_scaled(profile.rates, 1 / slower),
        single=_scaled(profile.single, 1 / slower),
    )


def _scaled(rates: Rates, part: float) -> Rates:
    return Rates(rates.matmul * part, rates.conv * part, rates.attention * part, rates.weighed * part)


def fusing(engine: Engine, program: Program) -> float:
    """Seconds that the fusions of a program take: experts read, their tensors matched and merged."""
    now, taken = _clock(engine.device), []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(4):
            started, started_wall = now(), time.perf_counter()
            result = engine.run(program, Path(folder))
            # The engine's clock is the wall's; of it as much is counted as of the whole run.
            counted = (now() - started) / (time.perf_counter() - started_wall)
            fused = sum(each.seconds for each in result.timings if each.op == "fuse")
            taken.append(fused * counted)
    return statistics.median(taken[1:])


def _steps(program: Program, steps: int) -> tuple[Program, Denoise]:
    """The program with so many steps, and its sampling."""
    changed = [
        each.model_copy(update={"operation": each.operation.model_copy(update={"steps": steps})})
        if isinstance(each.operation, Denoise)
        else each
        for each in program.instructions
    ]
    sampled = next(each.operation for each in changed if isinstance(each.operation, Denoise))
    return program.model_copy(update={"instructions": tuple(changed)}), sampled


def _call(base: Base, known: Architecture, rows: int, height: int, width: int) -> float:
    """Seconds of a call of a denoiser."""
    sample = torch.zeros(rows, known.channels, height, width, device=base.device.torch)
    hidden = base.family.encode_text(Model.of(base), "").expand(rows, -1, -1)
    step = torch.tensor(1)
    return _typical(base.device, lambda: base.family.predict(base.unet.module, sample, step, hidden))


def _clock(device: Device | None) -> Callable[[], float]:
    """The time by which work is measured. On one thread it is the process's own, so that what else the machine does is
    left out."""
    is_alone = device is not None and device.name == "cpu" and torch.get_num_threads() == 1
    return time.process_time if is_alone else time.perf_counter


def _typical(device: Device | None, work: Callable[[], object]) -> float:
    """The lower quartile of the times of some work after a first run, in seconds: what disturbs only adds."""
    now = _clock(device)
    work()
    _wait(device)
    taken: list[float] = []
    while sum(taken) < _ENOUGH and len(taken) < _MOST:
        started = now()
        work()
        _wait(device)
        taken.append(now() - started)
    return statistics.quantiles(taken, n=4)[0] if len(taken) > 1 else taken[0]


def _wait(device: Device | None) -> None:
    if device is not None and device.name == "cuda":
        torch.cuda.synchronize()
    elif device is not None and device.name == "mps":
        torch.mps.synchronize()


def _name(device: Device) -> str:
    if device.name == "cuda":
        return torch.cuda.get_device_name(0)
    threads = torch.get_num_threads()
    return f"{_processor()}, {threads} thread{'' if threads == 1 else 's'}"


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    if told.exists():
        lines = told.read_text(errors="replace").splitlines()
        named = next((line for line in lines if line.startswith("model name")), "")
        if named:
            return named.partition(":")[2].strip()
    return platform.processor() or platform.machine()
