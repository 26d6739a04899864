"""What decides the bytes of a result beside the program: code, versions, processor, threads.

Everything here goes into the keys of cached values, so that a value is found only where computing it again would give
the same bytes. What is not known to matter, but may, is in: a needless miss costs time, a wrong hit a picture.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

import torch

from mosaic.compiler.operators import Operator
from mosaic.runtime.devices import WORKSPACE, Device

_PACKAGES: Final = (
    "mosaic-plan",
    "torch",
    "diffusers",
    "transformers",
    "tokenizers",
    "safetensors",
    "numpy",
    "pillow",
)
_VARIABLES: Final = (
    "ATEN_CPU_CAPABILITY",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
)
"""Variables by which the libraries below torch choose other kernels."""


def numerics(device: Device, operators: Mapping[str, Operator]) -> Mapping[str, str]:
    """What decides numbers on a device here and now, by name.

    The number of threads is in because it decides the order of some sums on the CPU; the processor's name because
    libraries choose kernels by it. Settings of torch that a caller may change between two runs are read anew.
    """
    facts = {f"version.{name}": version for name, version in _versions()}
    facts |= {f"variable.{name}": os.environ[name] for name in _VARIABLES if name in os.environ}
    facts |= {
        "code": _own_code(),
        "operators": _code(_sources_of(operators.values())),
        "device": device.name,
        "dtype": device.dtype_name,
        "processor": _processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
        "matmul": torch.get_float32_matmul_precision(),
        "mkldnn": str(bool(torch.backends.mkldnn.enabled)),
    }
    if device.name == "cuda":
        facts |= {
            "cuda": str(torch.version.cuda),
            "cudnn": str(torch.backends.cudnn.version()),  # type: ignore[no-untyped-call]
            "card": torch.cuda.get_device_name(),
            "workspace": os.environ.get("CUBLAS_WORKSPACE_CONFIG", WORKSPACE),
        }
    return facts


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    return tuple((name, _version(name)) for name in _PACKAGES)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


@cache
def _processor() -> str:
    """The processor's name; on Linux platform.processor() does not tell it."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    names = [line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name")]
    return f"{platform.machine()} {next(iter(names), platform.processor())}"


@cache
def _own_code() -> str:
    """The engine's own code: a tree that is worked on keeps its version number while its numbers change."""
    runtime = Path(__file__).parent
    pure = runtime.parent / "compiler"
    return _code(
        [*runtime.rglob("*.py"), *(pure / "weights").glob("*.py"), pure / "steps.py", pure / "program.py"]
    )


def _sources_of(operators: Iterable[Operator]) -> Iterator[Path]:
    """The files that operators are written in, and those beside their package that they may share."""
    import inspect

    for operator in operators:
        try:
            source = inspect.getsourcefile(operator.kernel)
        except TypeError:  # written in C: its version has to tell
            source = None
        if source is not None:
            yield Path(source)
            yield from Path(source).parent.parent.glob("*.py")


def _code(paths: Iterable[Path]) -> str:
    state = tuple((str(path), *_state(path)) for path in sorted(set(paths)))
    return _digest(state)


def _state(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return 0, 0
    return stat.st_size, stat.st_mtime_ns


@cache
def _digest(state: tuple[tuple[str, int, int], ...]) -> str:
    """The bytes of files, whatever their folders are called."""
    digest = hashlib.sha256()
    for path, _, _ in state:
        try:
            data = Path(path).read_bytes()
        except OSError:
            data = b""
        digest.update(f"{Path(path).name} {len(data)}\n".encode())
        digest.update(data)
    return digest.hexdigest()
