"""What composing without a model takes over a large catalog, from the request to the compiled plan.

Requests are those of `mosaic bench agent` over its synthetic catalog, none made to measure. The catalog is open; each
process does its first request, then the others. Times are processor time of one thread, and the clock's beside them;
`mosaic check` of a composed plan over the same catalog, inside the same process, is measured in turn.
`--size 5000` for a shorter run; `--folder` keeps the catalog for the next one.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.measuring import ROOT

SIZE: Final = 75_000
REQUESTS: Final = 30
GOAL: Final = 300.0  # milliseconds a request
_PROCESSES: Final = 3


@dataclass(frozen=True)
class Spent:
    """Milliseconds of processor time, and by the clock."""

    processor: float
    clock: float


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)  # a process of its own over this catalog
    given = parser.parse_args()
    if given.one is not None:
        print(json.dumps(_one(given.one)))
        return
    with tempfile.TemporaryDirectory() as own:
        show(_measured(given.folder or Path(own), given.size), given.size)


def _measured(folder: Path, size: int) -> list[dict[str, Any]]:
    """What each of some processes found, one after the other."""
    from mosaic.bench.agent.requests import HUB
    from mosaic.bench.agent.running import made

    path = made(HUB, folder, size)
    command = [sys.executable, "-m", "benchmarks.bench_compose", "--one", str(path)]
    found = []
    for _ in range(_PROCESSES):
        ran = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        found.append(json.loads(ran.stdout.splitlines()[-1]))
    return found


def show(processes: list[dict[str, Any]], size: int) -> None:
    """As text: medians and the worst over all processes."""
    print(
        f"{size:,} experts, {REQUESTS} requests, {len(processes)} processes; milliseconds: processor (clock)"
    )
    for name in ("first request", "request", "check of its plan, first", "check of its plan, again"):
        spent = [Spent(*each) for process in processes for each in process[name]]
        processor, clock = [each.processor for each in spent], [each.clock for each in spent]
        print(
            f"{name:<28} median {statistics.median(processor):7.1f} ({statistics.median(clock):7.1f})   "
            f"worst {max(processor):7.1f} ({max(clock):7.1f})"
        )
    for name in ("decompose", "retrieve", "weigh", "emit"):
        laps = [1000 * lap for process in processes for lap in process["laps"][name]]
        print(f"  of a request: {name:<12} median {statistics.median(laps):7.1f} by the clock")
    requests, checks = (
        statistics.median(each[0] for process in processes for each in process[name])
        for name in ("request", "check of its plan, again")
    )
    print(f"ratio of a request to a check again: {requests / checks:.1f}; goal {GOAL:.0f} ms: ", end="")
    print("met" if requests <= GOAL else "not met")


def _one(path: Path) -> dict[str, Any]:
    """In a process of its own: the catalog is opened, then one request after the other."""
    from mosaic.agent.composing import compose
    from mosaic.agent.offline.backend import OfflineBackend
    from mosaic.agent.world import World
    from mosaic.bench.agent.requests import HUB, cases
    from mosaic.compiler import check
    from mosaic.project import Project

    wanted = [case for case in cases("dev", HUB) if not case.unmet][:REQUESTS]
    found: dict[str, Any] = {
        "first request": [], "request": [], "check of its plan, first": [], "check of its plan, again": [],
        "laps": {"decompose": [], "retrieve": [], "weigh": [], "emit": []},
    }  # fmt: skip
    with Project(path) as project:
        world = World(project)
        world.library.digest  # noqa: B018 - opened here, as in a server that is up
        backend = OfflineBackend(world)
        for number, case in enumerate(wanted):
            trace, *spent = _spent(partial(compose, case.request(), world, backend))
            found["first request" if number == 0 else "request"].append(spent)
            if number:
                for name, laps in found["laps"].items():
                    laps.append(trace.seconds[name])
            _check(path, trace.answer.plan, found, check)
    return found


def _check(path: Path, plan: str, found: dict[str, Any], check: Callable[..., object]) -> None:
    from mosaic.compiler.source import SourceFile
    from mosaic.project import Project

    source = SourceFile("<composed>", plan)
    with Project(path) as fresh:
        context = fresh.context(source)
        for name in ("check of its plan, first", "check of its plan, again"):
            found[name].append(_spent(partial(check, source, context))[1:])


def _spent(action: Callable[[], Any]) -> tuple[Any, float, float]:
    """What an action gives, with its milliseconds of processor time and by the clock."""
    processor, clock = time.process_time(), time.perf_counter()
    given = action()
    return given, 1000 * (time.process_time() - processor), 1000 * (time.perf_counter() - clock)


if __name__ == "__main__":
    main()
