"""How long compiling takes in a process that is up: parse, check, all passes, lower, for every example."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mosaic.compiler.diagnostic import Sink
from mosaic.compiler.syntax.format import format_file
from mosaic.compiler.syntax.parse import parse
from mosaic.project import Project, read

ROOT = Path(__file__).parent.parent
ROUNDS = 20


def main() -> None:
    """Print a table of medians in milliseconds."""
    os.chdir(ROOT)
    print(
        f"{'compiling, ' + str(ROUNDS) + ' rounds':<28}{'parse':>10}{'format':>10}{'check':>10}{'compile':>10}"
    )
    for path in sorted(Path("examples").glob("*.mosaic")):
        source = read(path)
        project = Project()
        project.compile(source)  # headers and digests are read once
        file = parse(source, Sink())
        times = (
            _median(partial(parse, source, Sink())),
            _median(partial(format_file, file)),
            _median(partial(project.check, source)),
            _median(partial(project.compile, source)),
        )
        print(f"{path.stem:<28}" + "".join(f"{1000 * taken:>7.2f} ms" for taken in times))


def _median(action: Callable[[], object]) -> float:
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
