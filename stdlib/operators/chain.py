"""The operator `chain`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from mosaic.compiler.operators import Acts, Bounds, Law, operator
from mosaic.compiler.types import Kind


@operator(
    acts=Acts.SCHEDULE,
    accepts=(Kind.LORA, Kind.CHECKPOINT, Kind.MODEL),
    laws=(Law.IDENTITY_AT_ZERO,),
)
def chain(
    total: int,
    windows: Sequence[tuple[int, int]],
    shares: Sequence[float],
    *,
    lead: Annotated[float, Bounds(0, 1)] = 0.0,
) -> Sequence[int]:
    """Each expert owns a contiguous stretch of the denoising run, in the order in which they are written.

    So do the expert denoisers of eDiff-I (Balaji et al. 2022, arXiv:2211.01324) and the base and refiner of SDXL
    (Podell et al. 2023, arXiv:2307.01952, section 2.5). Scheduler and generator state go on across a seam, so a chain
    of equal models is one model, bit for bit. Early steps settle what is where, late ones how it looks: characters
    first, styles last.

    An expert with a window denoises all of its window (where windows overlap, the one that is written last). The steps
    that no window covers are shared by the experts without one, in equal stretches; where there is none, the base
    denoises. `lead` is the part of the run that the base takes first.

    Between latent spaces the run goes through a bridge: its predicted clean latent is carried over and re-noised.

    `windows` are (first, end) steps; one that spans the run is none. The result names for each of `total` steps the
    expert, or -1 for the base.
    """
    owner = [-1] * total
    whole = [i for i, window in enumerate(windows) if window == (0, total)]
    for i, (first, end) in enumerate(windows):
        if i not in whole:
            owner[first:end] = [i] * (end - first)
    begun = round(lead * total)
    free = [step for step in range(total) if owner[step] < 0 and step >= begun]
    for place, step in enumerate(free):
        if whole:
            owner[step] = whole[place * len(whole) // len(free)]
    return owner
