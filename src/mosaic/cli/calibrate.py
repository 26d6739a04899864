"""`mosaic calibrate`: measure this machine, so that plans can be priced on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.console import guarded
from mosaic.cli.run import Device, Dtype

if TYPE_CHECKING:
    from mosaic.compiler.cost.profile import Profile


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
    from mosaic.api.calibrating import calibrate as measure
    from mosaic.cli.progress import progress

    with progress() as bars:
        profile, path = measure(
            output,
            device=device.value,
            dtype=dtype.value,
            said=lambda what: bars.stage(what, 1) if bars is not None else None,
        )
    typer.echo(_table(profile) + f"\nwritten to {path}")


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
