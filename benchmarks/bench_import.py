"""Import from headers: `mosaic catalog add` against reading the same headers and digests and keeping nothing."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.measuring import Run, clock, processor, run

from mosaic.bench.synthetic.files import write_files

_ROUNDS: Final = 3


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=4_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, value in importing(Path(folder), given.files).items():
            print(f"{name:<48}{value}")


def importing(folder: Path, count: int) -> dict[str, str]:
    """`mosaic catalog add` against reading the same headers and digests with safetensors and hashlib."""
    files = folder / "files"
    size = write_files(files, count)
    processes = str(len(os.sched_getaffinity(0)))
    ours, theirs, again = [], [], []
    for number in range(_ROUNDS):
        store = folder / f"import-{number}.duckdb"
        environment = {
            **os.environ,
            "XDG_CACHE_HOME": str(folder / f"cache-{number}"),
            "OMP_NUM_THREADS": "1",
        }
        add = [
            sys.executable,
            "-m",
            "mosaic",
            "catalog",
            "add",
            str(files),
            "--catalog",
            str(store),
            "--json",
        ]
        theirs.append(run([sys.executable, "benchmarks/peer_headers.py", str(files), processes], environment))
        ours.append(run(add, environment))
        again.append(run(add, environment))
    return {
        "files": f"{count:,} of {size / count / 1000:.0f} kB, {processes} processes",
        "mosaic catalog add": _import_row(ours, count),
        "peer: safetensors and SHA-256, keeps nothing": _import_row(theirs, count),
        "ratio, by the clock": f"{clock(ours) / clock(theirs):.2f}",
        "ratio, by processor time": f"{processor(ours) / processor(theirs):.2f}",
        "the same folder again, nothing changed": _import_row(again, count),
    }


def _import_row(runs: Sequence[Run], count: int) -> str:
    seconds = clock(runs)
    spent = f"{seconds:.2f} s by the clock, {processor(runs):.2f} s of processor time"
    return f"{spent}: {count / seconds:,.0f} files a second"


if __name__ == "__main__":
    main()
