"""How long `mosaic check` of a plan over the zoo takes to start and finish, against what it cannot do without, and
against `ruff check` of a file: what people are used to.

All are whole processes, run in turn in one go, so that a busy machine slows all alike; bytecode is there, as pip leaves
it. The figure to watch is the ratio of processor times: below three.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROUNDS = 15
FLOOR = "import lark, pydantic"
CHECK = "mosaic check alley.mosaic"
COMMANDS = {
    "import lark": [sys.executable, "-c", "import lark"],
    FLOOR: [sys.executable, "-c", FLOOR],
    CHECK: [sys.executable, "-m", "mosaic", "check", "examples/alley.mosaic"],
    "ruff check one file": [
        str(Path(sys.executable).with_name("ruff")), "check", "--no-cache", "compiler/diagnostic.py",
    ],
}  # fmt: skip


def main() -> None:
    """Print a table of medians and their ratio."""
    wall: dict[str, list[float]] = {name: [] for name in COMMANDS}
    processor: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for command in COMMANDS.values():
        _run(command)  # fill the caches of bytecode and files
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            for taken, seconds in zip((wall[name], processor[name]), _run(command), strict=True):
                taken.append(seconds)
    print(f"{'start-up, ' + str(ROUNDS) + ' rounds':<28}{'median':>9}{'fastest':>9}{'processor':>11}")
    for name, taken in wall.items():
        used = statistics.median(processor[name])
        print(f"{name:<28}{statistics.median(taken):>7.3f} s{min(taken):>7.3f} s{used:>9.3f} s")
    floor, check = (statistics.median(processor[name]) for name in (FLOOR, CHECK))
    print(f"ratio {check / floor:.2f} (goal: below 3)")


def _run(command: list[str]) -> tuple[float, float]:
    """Seconds by the clock, and of the processor."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, env=env)
    _, status, usage = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
