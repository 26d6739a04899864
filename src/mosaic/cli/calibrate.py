"""`mosaic calibrate`: measure this machine, so that plans can be priced on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.console import guarded
from mosaic.cli.run import Device, Dtype

if TYPE_CHECKING:
    from mosaic.compiler.cost.profile import Profile
    from mosaic.runtime.engine import Engine

_SAMPLE = """\
mosaic 1

plan sample {
  let base = checkpoint("zoo/base")
  emit sample(base, prompt: "a red cat", steps: 8, guidance: 3, size: 64x64, seed: 1) as "sample.png"
}

plan fused {
  let look = fuse(checkpoint("zoo/base"), lora("zoo/neon") * 0.8, lora("zoo/hat") * 0.8, via: sum)
  emit sample(look, prompt: "a red cat", steps: 1, guidance: 1, size: 64x64, seed: 1) as "sample.png"
}
"""


@guarded
def calibrate(
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Write the profile here, not into your own folder."
        ),
    ] = None,
    device: Annotated[Device, typer.Option("--device", help="Where plans compute.")] = Device.AUTO,
    dtype: Annotated[
        Dtype, typer.Option("--dtype", help="In which precision networks compute.")
    ] = Dtype.AUTO,
) -> None:
    """Measure this machine in under a minute, so that plans can be priced on it.

    The figures make a device profile: by it `mosaic plan` predicts seconds and memory, and budgets are kept. A machine
    that is busy with something else looks slower than it is.
    """
    from mosaic.cli.progress import progress
    from mosaic.profiles import save_profile, user_profile
    from mosaic.project import engine

    started = engine(device=device.value, dtype=dtype.value)
    with progress() as bars:
        profile = measured(started, lambda what: bars.stage(what, 1) if bars is not None else None)
        if bars is not None:
            bars.finish()
    path = output or user_profile()
    save_profile(path, profile)
    typer.echo(_table(profile) + f"\nwritten to {path}")


def measured(engine: Engine, said: Callable[[str], None] = lambda what: None) -> Profile:
    """The profile of an engine's device, by the zoo's base as the small model that is run."""
    from mosaic.compiler.cost.predict import price
    from mosaic.compiler.source import SourceFile
    from mosaic.project import Project
    from mosaic.runtime.calibrate import Sample, fusing
    from mosaic.runtime.calibrate import calibrate as measure

    project = Project()
    source = SourceFile("<sample>", _SAMPLE)
    compiled = project.compile(source)
    context = project.context(source)
    base = next(node.expert for node in compiled.graphs[0].nodes() if node.op == "expert")
    known = context.experts.architecture(base)
    assert known is not None, "the zoo's headers tell everything"
    profile = measure(engine, Sample(compiled.programs[0], context.operators, known), said)
    taken = fusing(engine, compiled.programs[1])

    def priced(touch: float) -> float:
        nodes = price(compiled.graphs[1], context, replace(profile, touch=touch)).in_order
        return sum(node.seconds for node in nodes if node.op == "fuse")

    # What a fusion takes beside its arithmetic goes by the tensors that it touches.
    beside = taken - priced(0.0)
    return replace(profile, touch=max(profile.touch, beside / (priced(1.0) - priced(0.0))))


def _table(profile: Profile) -> str:
    """The figures as a person reads them."""
    rates = profile.rates
    rows = [
        ("device", f"{profile.name} ({profile.device}, {profile.dtype})"),
        ("memory", f"{profile.memory / 2**30:.1f} GiB"),
        ("matrix products", _rate(rates.matmul)),
        ("convolutions", _rate(rates.conv)),
        ("attention", _rate(rates.attention)),
        ("memory traffic", f"{profile.bandwidth / 1e9:.1f} GB/s"),
        ("reading files", f"{profile.disk / 1e6:.0f} MB/s, verified"),
        ("a call", f"{profile.launch * 1e6:.1f} µs"),
        ("a step", f"{profile.step * 1e3:.2f} ms beside its networks"),
    ]
    rows += [
        (f"merging, {effort}", f"{1e9 * each:.1f} ns a number") for effort, each in profile.merge.items()
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _rate(flops: float) -> str:
    return f"{flops / 1e12:.1f} TFLOP/s" if flops >= 1e12 else f"{flops / 1e9:.1f} GFLOP/s"
