"""What a device is able to do: the coefficients that turn work into seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mosaic.compiler.cost.architecture import Work

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
"""Of one number, by the name of its format."""
SPELLED = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""The names of formats as files spell them."""
CUT = "cut"
"""The key of `Profile.merge` for cutting a changed matrix to a rank."""
COMPARED = "compared"
"""The key of `Profile.merge` for comparing two operands at each element: three and more are put in order."""


@dataclass(frozen=True)
class Rates:
    """Floating-point operations a second that are reached in one number format, and pairs that attention weighs in a
    second."""

    matmul: float
    conv: float
    attention: float
    weighed: float


@dataclass(frozen=True)
class Ratio:
    """What an operation takes in fact, as a multiple of what is computed: the median and the 90th percentile of so many
    runs."""

    p50: float = 1.0
    p90: float = 1.0
    runs: int = 0


@dataclass(frozen=True)
class Profile:
    """A device, measured or estimated.

    `device` is its class (cpu, cuda, mps), `dtype` the format that denoisers and text encoders run in, at `rates`; VAEs
    and merging run in float32, at `single`. Seconds: `launch` for one kernel or library call, `step` for what a step of
    denoising takes beside its networks, `module` to build a network for each of its tensors, `save` to write a small
    file, `touch` to merge one tensor of one operand; `merge` to merge each number of it, by `Effort`. Bytes a second:
    `bandwidth` of the device's memory, `transfer` into it, `disk` to read and verify files; `png` pixels a second.
    `refined` are corrections learned from runs, by operation. `spread` is the 90th percentile over the median where
    nothing was learned.
    """

    name: str
    device: str
    dtype: str
    memory: int
    rates: Rates
    single: Rates
    bandwidth: float
    transfer: float
    disk: float
    launch: float
    step: float
    module: float
    touch: float
    save: float
    png: float
    merge: Mapping[str, float] = field(default_factory=dict, hash=False)
    refined: Mapping[str, Ratio] = field(default_factory=dict, hash=False)
    spread: float = 1.3
    is_estimate: bool = False

    @property
    def number(self) -> int:
        """Bytes of a number of `dtype`."""
        return BYTES[self.dtype]

    @property
    def overlaps(self) -> bool:
        """Whether kernels run while the next ones are being launched."""
        return self.device != "cpu"

    def seconds(self, work: Work, *, is_single: bool = False) -> float:
        """How long some work takes, in `dtype` or in float32."""
        rates, size = (self.single, 4) if is_single else (self.rates, self.number)
        computing = work.matmul / rates.matmul + work.conv / rates.conv
        computing += work.attention / rates.attention + work.weighed / rates.weighed
        moving = work.moved * size / self.bandwidth
        reading = work.weights * size / self.bandwidth
        launching = work.launches * self.launch
        if self.overlaps:
            # Reading the weights hides behind computing, or the other way round; so does launching.
            return max(max(computing, reading) + moving, launching)
        # A CPU's libraries bring weights into an order of their own at each call: read once and written once.
        return computing + 2 * reading + moving + launching

    def ratio(self, op: str) -> Ratio:
        """What is known of an operation beyond what is computed."""
        return self.refined.get(op, Ratio(1.0, self.spread))

    def with_refined(self, refined: Mapping[str, Ratio]) -> Profile:
        """The profile with other corrections."""
        return replace(self, refined=refined)
