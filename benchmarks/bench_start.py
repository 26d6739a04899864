"""How long `mosaic check` of a plan over the zoo takes to start and finish, against what it cannot do without.

Both are whole processes, run in turn in one go, so that a busy machine slows both alike. The figure to watch is
the ratio: below three.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROUNDS = 15
FLOOR = [sys.executable, "-c", "import lark, pydantic"]
CHECK = [sys.executable, "-m", "mosaic", "check", "examples/alley.mosaic"]


def main() -> None:
    """Print a table of medians and their ratio."""
    commands = {"import lark, pydantic": FLOOR, "mosaic check alley.mosaic": CHECK}
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        _run(command)  # fill the caches of bytecode and files
    for _ in range(ROUNDS):
        for name, command in commands.items():
            seconds[name].append(_run(command))
    print(f"{'start-up, ' + str(ROUNDS) + ' rounds':<28}{'median':>9}{'fastest':>9}")
    for name, taken in seconds.items():
        print(f"{name:<28}{statistics.median(taken):>7.3f} s{min(taken):>7.3f} s")
    floor, check = (statistics.median(taken) for taken in seconds.values())
    print(f"ratio {check / floor:.2f} (goal: below 3)")


def _run(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
