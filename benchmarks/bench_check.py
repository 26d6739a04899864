"""How many plans a second `mosaic check` judges, in one process and in several.

Whole processes, from start to exit code, in turn, so that a busy machine slows all alike; the fastest of three. Where a
further process does not pay, its start takes more than the checking that it takes over.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench_compile import many_plans

ROUNDS = 3
SIZES = (1, 50, 100, 200, 400, 1000)


def main() -> None:
    """Print a table of seconds and files a second."""
    for line in _table():
        print(line, flush=True)


def _table() -> Iterator[str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    jobs = sorted({1, 2, cores})
    yield f"{'files':>6}" + "".join(f"{f'{each} process' + ('es' if each > 1 else ''):>32}" for each in jobs)
    with tempfile.TemporaryDirectory() as folder:
        files = many_plans(Path(folder), max(SIZES))
        for size in SIZES:
            seconds = {each: float("inf") for each in jobs}
            for _ in range(ROUNDS):
                for each in jobs:
                    seconds[each] = min(seconds[each], _run(files[:size], each))
            yield f"{size:>6}" + "".join(
                f"{taken:>12.2f} s {size / taken:>10.0f} a second" for taken in seconds.values()
            )


def _run(files: list[Path], jobs: int) -> float:
    # Installed packages have their bytecode; so has this one.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "mosaic", "check", "--jobs", str(jobs), *map(str, files)]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
