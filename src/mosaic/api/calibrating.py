"""This machine, measured, so that plans can be priced on it: what `mosaic calibrate` does."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.project import DeviceName, DtypeName

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


def calibrate(
    output: str | os.PathLike[str] | None = None,
    *,
    device: DeviceName = "auto",
    dtype: DtypeName = "auto",
    said: Callable[[str], None] = lambda what: None,
) -> tuple[Profile, Path]:
    """Measure this machine in under a minute; the profile, and where it was written: your own unless `output` is given.

    `said` is told what is being measured. A machine that is busy with something else looks slower than it is. Raises
    MosaicError where the engine or the device is not there, or the profile cannot be written.
    """
    from mosaic.profiles import save_profile, user_profile
    from mosaic.project import engine

    profile = measured(engine(device=device, dtype=dtype), said)
    path = Path(output) if output is not None else user_profile()
    save_profile(path, profile)
    return profile, path


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
