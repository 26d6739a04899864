"""Which device a program runs on, in which precision, and how it is kept deterministic."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

import torch

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import DeviceMissing
from mosaic.runtime.residence import HERE, Offloaded, Residence

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
DtypeName = Literal["auto", "float32", "float16", "bfloat16"]

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_AUTO_DTYPE = {"cuda": torch.float16, "cpu": torch.float32, "mps": torch.float32}
"""Half precision is slower than single on most CPUs, and on mps still gives black pictures on some models."""

WORKSPACE = ":4096:8"
"""How cuBLAS works deterministically: as `CUBLAS_WORKSPACE_CONFIG` has it unless the caller chose otherwise."""


@dataclass(frozen=True)
class Device:
    """Where networks run and in which precision. Latents and the VAE stay in float32 everywhere: latents
    gather rounding over the steps, and several published VAEs overflow in float16. `residence` says where networks lie
    while they do not compute.
    """

    name: str
    dtype: torch.dtype
    residence: Residence = field(default=HERE, compare=False, repr=False)

    @property
    def home(self) -> torch.device:
        """Where networks lie while they do not compute."""
        return self.torch if self.residence is HERE else torch.device("cpu")

    @property
    def torch(self) -> torch.device:
        """The device as torch names it."""
        return torch.device(self.name)

    def offloading(self) -> Device:
        """The device with networks in main memory, one at a time on it. Where the device computes in main memory, they
        lie there anyway."""
        if self.name == "cpu":
            return self
        bring = partial(torch.Tensor.to, device=self.torch)
        return replace(self, residence=Offloaded(bring))

    @property
    def dtype_name(self) -> str:
        """`float32`, `float16` or `bfloat16`."""
        return str(self.dtype).removeprefix("torch.")


def choose(device: DeviceName, dtype: DtypeName) -> Device:
    """The device and precision that the names mean here.

    Raises MosaicError (M859) for a device that is not there.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        name = next(name for name, there in available.items() if there)
    elif available.get(device, False):
        name = device
    else:
        raise MosaicError(DeviceMissing(span=None, device=device))
    return Device(name, _AUTO_DTYPE[name] if dtype == "auto" else _DTYPES[dtype])


def memory(device: Device) -> int:
    """The bytes of memory that a device has; of main memory no more than this process's group may take."""
    if device.name == "cuda":
        return int(torch.cuda.get_device_properties(0).total_memory)
    every = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([every, *_limits()])


_GROUPS: Final = Path("/proc/self/cgroup")
_MOUNTED: Final = Path("/sys/fs/cgroup")


def _limits() -> Iterator[int]:
    """What Linux lets this process's control groups take (version 1 and 2), from its own up to the outermost. Inside a
    container the outermost that is seen is the container's own."""
    try:
        lines = _GROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers:
            root, name = _MOUNTED, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = _MOUNTED / "memory", "memory.limit_in_bytes"
        else:
            continue
        own = root / group.lstrip("/")
        for folder in (own, *own.parents):
            if folder.is_relative_to(root):
                yield from _limit(folder / name)


def _limit(path: Path) -> Iterator[int]:
    try:
        told = path.read_text().strip()
    except OSError:
        return
    if told.isdecimal():
        yield int(told)


@contextmanager
def deterministic(device: Device) -> Iterator[None]:
    """Run with deterministic kernels and without TF32, and leave torch's settings as they were.

    On cuda, cuBLAS is deterministic only with a fixed workspace, which it reads from the environment when it
    starts: it is set here unless the caller chose one. On the CPU, the number of threads decides the order of
    some sums, so bytes are promised for the same machine with the same number of threads.
    """
    if device.name == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", WORKSPACE)
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
    )
    torch.use_deterministic_algorithms(True, warn_only=device.name == "mps")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cuda.matmul.allow_tf32 = before[2]
        torch.backends.cudnn.allow_tf32 = before[3]
        torch.backends.cudnn.benchmark = before[4]
        torch.backends.cudnn.deterministic = before[5]


def versions() -> dict[str, str]:
    """The versions of what decides the numbers."""
    import diffusers
    import safetensors
    import transformers

    return {
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "transformers": transformers.__version__,
        "safetensors": safetensors.__version__,
    }
