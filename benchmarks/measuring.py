"""How benchmarks take times: whole processes, and actions inside one."""

from __future__ import annotations

import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent


@dataclass(frozen=True)
class Run:
    """A whole process with its children, in seconds."""

    clock: float
    processor: float


def run(command: list[str], environment: dict[str, str] | None = None) -> Run:
    """Run a command at the root of the repository; raises CalledProcessError where it fails."""
    before, started = _spent(), time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, env=environment)
    return Run(time.perf_counter() - started, _spent() - before)


def _spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def clock(runs: Sequence[Run]) -> float:
    """Seconds by the clock: the fastest, as the others were disturbed."""
    return min(each.clock for each in runs)


def processor(runs: Sequence[Run]) -> float:
    """Seconds of processor time, the median."""
    return statistics.median(each.processor for each in runs)


def timed(action: Callable[[], object]) -> float:
    """Milliseconds of processor time."""
    started = time.process_time()
    action()
    return 1000 * (time.process_time() - started)


def quantile(values: Sequence[float], part: float) -> float:
    """The value that a part of all lies below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
