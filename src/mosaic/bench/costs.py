"""What a picture costs by each scheme: seconds and peak memory, all schemes in one run, taking turns.

Machines are noisy, so a figure is a ratio to the first scheme, drawn a moment before in a process of its own on one
thread. Each scheme has its own process, so that its peak is not another's.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from mosaic.stdlib.zoo.sets import CompositionSet, composition_sets

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

MEASURED: Final = 12
"""Sets that are drawn by each scheme, three of each size."""


@dataclass(frozen=True)
class Cost:
    """Of one picture: seconds (median), the median of the ratios to the first scheme on the same set, and the peak of
    resident memory in bytes, above that of the process before it loaded anything, of a first picture of five experts.
    """

    seconds: float
    ratio: float
    peak: int


def measure(schemes: Sequence[str], rounds: int = 2) -> dict[str, Cost]:
    """The cost of each scheme. One picture a set and round, after a first one that is not timed."""
    sets = _chosen()
    with_spawn = get_context("spawn")
    workers: dict[str, Connection] = {}
    peaks: dict[str, int] = {}
    processes: dict[str, SpawnProcess] = {}
    for name in schemes:
        here, there = with_spawn.Pipe()
        processes[name] = with_spawn.Process(target=_work, args=(name, there), daemon=True)
        processes[name].start()
        workers[name] = here
        peaks[name] = here.recv()
    taken: dict[str, list[float]] = {name: [] for name in schemes}
    for _ in range(rounds):
        for wanted in sets:
            for name, worker in workers.items():
                worker.send(wanted)
                taken[name].append(worker.recv())
    for name, worker in workers.items():
        worker.send(None)
        processes[name].join()
    first = taken[schemes[0]]
    return {
        name: Cost(median(times), median(a / b for a, b in zip(times, first, strict=True)), peaks[name])
        for name, times in taken.items()
    }


def write(path: Path, costs: Mapping[str, Cost]) -> None:
    """As JSON, by scheme."""
    path.write_text(
        json.dumps({name: asdict(cost) for name, cost in costs.items()}, indent=1), encoding="utf-8"
    )


def read(path: Path) -> dict[str, Cost]:
    """What was written; empty where nothing was."""
    if not path.exists():
        return {}
    return {name: Cost(**values) for name, values in json.loads(path.read_text(encoding="utf-8")).items()}


def _chosen() -> list[CompositionSet]:
    every = composition_sets()
    sized = [[each for each in every if len(each.experts) == size][: MEASURED // 4] for size in (2, 3, 4, 5)]
    return [each for group in zip(*sized, strict=True) for each in group]


def _work(name: str, pipe: Connection) -> None:
    import torch

    from mosaic.bench.composition import draw
    from mosaic.bench.schemes import find

    torch.set_num_threads(1)
    scheme, idle = find(name), _peak()
    draw(scheme, _chosen()[-1], [0])
    pipe.send(_peak() - idle)
    while (wanted := pipe.recv()) is not None:
        started = time.perf_counter()
        draw(scheme, wanted, [1])
        pipe.send(time.perf_counter() - started)


def _peak() -> int:
    """The most resident memory of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage counts what the process was before it became this one
        told = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(told.split()[1]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
