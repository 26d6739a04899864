"""What a run says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mosaic.runtime.adapters import KeyCount
from mosaic.runtime.fuse import Truncation
from mosaic.runtime.origin import Origin
from mosaic.runtime.outputs import Emitted


@dataclass(frozen=True)
class Timing:
    """How long one instruction took, and where its result came from."""

    instruction: int
    op: str
    label: str
    seconds: float
    source: Origin = Origin.COMPUTED


@dataclass(frozen=True)
class RunResult:
    """What a run wrote and what it took.

    `evaluations` are forward passes of denoisers, `rows` the latents in them; `truncations` say what fusions that
    were cut to a rank lost. All three tell of what was computed here: what came from the cache or was shared costs
    nothing. A batch of several programs' runs costs the first of them. `batched` names what was emitted of runs in
    batches: the same only up to floating point.
    """

    program: str
    emitted: tuple[Emitted, ...]
    seconds: float
    evaluations: int
    rows: int
    truncations: tuple[Truncation, ...]
    timings: tuple[Timing, ...]
    keys: tuple[KeyCount, ...]
    device: str
    dtype: str
    versions: Mapping[str, str]
    batched: tuple[str, ...] = ()

    def count(self, source: Origin) -> int:
        """How many results came from there; what is written is always written anew and not counted."""
        return sum(each.source is source and each.op != "emit" for each in self.timings)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str | bytes]:
        """How a notebook shows it: pictures as they lie on the disk now."""
        from mosaic.compiler.reporting.notebook import MOST_PICTURES, Shown, of_result

        files = [
            Shown(file.name, file.sha256, _png(file) if number < MOST_PICTURES else None)
            for number, file in enumerate(self.emitted)
        ]
        return of_result(files, self.seconds, self.evaluations)


def _png(file: Emitted) -> bytes | None:
    """The bytes of a picture that is there and not too large to show."""
    from mosaic.compiler.reporting.notebook import MOST_BYTES

    try:
        if file.type != "image" or file.path.stat().st_size > MOST_BYTES:
            return None
        data = file.path.read_bytes()
    except OSError:
        return None
    return data if data.startswith(b"\x89PNG\r\n\x1a\n") else None


@dataclass(frozen=True)
class Drawn:
    """Pictures (n, height, width, 3) of 8 bits, one a seed, and what they took together."""

    pictures: npt.NDArray[np.uint8]
    evaluations: int
    rows: int
    seconds: float
