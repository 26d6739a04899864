"""What decides the bytes of a result and is known without torch: versions, code, processor, variables.

`numerics.py` adds what only torch tells. What torch settles when it starts it settles by `circumstances`, so that in
equal ones it settles alike: by these the cache remembers in which settings runs kept results (`cache/settings.py`).
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

from mosaic.compiler.operators import Operator

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

_SETTLING: Final = (
    *_VARIABLES,
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OMP_THREAD_LIMIT",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)
"""Variables by which threads, kernels and the device are settled when torch starts."""


def surroundings(operators: Mapping[str, Operator]) -> dict[str, str]:
    """The part of what decides numbers that needs no torch, by name.

    The processor's name is in because libraries choose kernels by it.
    """
    facts = {f"version.{name}": version for name, version in _versions()}
    facts |= {f"variable.{name}": os.environ[name] for name in _VARIABLES if name in os.environ}
    facts |= {
        "code": _own_code(),
        "operators": _code(_sources_of(operators.values())),
        "processor": _processor(),
    }
    return facts


def circumstances() -> dict[str, str]:
    """What torch settles its settings by when it starts: variables, the processor, how many of its cores there are."""
    there = {name: os.environ[name] for name in _SETTLING if name in os.environ}
    return {**there, "processor": _processor(), "cores": str(_cores())}


def _cores() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
        [
            *(*runtime.rglob("*.py"), *(pure / "weights").glob("*.py")),
            *(pure / name for name in ("steps.py", "program.py", "tiles.py")),
        ]
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
