"""What reading beside the work and reading once are worth: seconds with and without, in turn, in one process.

The model has Stable Diffusion 1's architecture with random numbers in float16, its UNet narrower; the files that
are compared as cold are put out of the system's memory before each run (Linux). `ahead`: one picture by each of eight
LoRAs; without, all files are verified first, and read when they are fused. `once`: sixteen strengths of one look of two
LoRAs; without, each fusion reads its files anew.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from benchmarks.bench_export import make

from mosaic.compiler.program import File, Program
from mosaic.compiler.source import SourceFile
from mosaic.project import Project, engine
from mosaic.runtime import invocation
from mosaic.runtime.files import Reader
from mosaic.runtime.prefetch import Prefetch
from mosaic.runtime.shelf import Opened

WIDTHS = (128, 256, 512, 512)
LORAS = tuple(f"lora{number}" for number in range(8))
RANK = 128
AHEAD = """mosaic 1
plan p {{
  let base = checkpoint("./model")
  let look = fuse(base, lora("./{name}.safetensors"), via: sum)
  emit sample(look, prompt: "a cat", steps: {steps}, size: 256x256) as "p.safetensors"
}}
"""
ONCE = """mosaic 1
plan p {{
  let base = checkpoint("./model")
  let look = fuse(base, lora("./lora0.safetensors") * {strength}, lora("./lora1.safetensors") * 0.5, via: {operator})
  emit sample(look, prompt: "a cat", steps: 1, size: 64x64) as "p.safetensors"
}}
"""


class Upfront(Prefetch):
    """All files are verified before anything is computed, and none is read ahead."""

    def __init__(self, reader: Reader, files: Iterable[File], ahead: Iterable[File]) -> None:
        given = tuple(files)
        reader.verify(given)
        super().__init__(reader, given, ())


def main() -> None:
    """Print medians of both, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="denoising steps of each picture of `ahead`")
    parser.add_argument("only", nargs="?", choices=["ahead", "once"])
    given = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make(folder, WIDTHS, LORAS, RANK)
        os.sync()
        size = sum((folder / f"{name}.safetensors").stat().st_size for name in LORAS)
        print(f"eight LoRAs of {size / 8e6:.0f} MB")
        if given.only in (None, "ahead"):
            texts = [AHEAD.format(name=name, steps=given.steps) for name in LORAS]
            _compare("ahead, cold files", texts, folder, given.rounds, _upfront, cold=True)
            _compare("ahead, warm files", texts, folder, given.rounds, _upfront, cold=False)
        if given.only in (None, "once"):
            for operator in ("sum", "ties"):
                texts = [ONCE.format(strength=0.05 * n, operator=operator) for n in range(1, 17)]
                _compare(f"once, {operator}", texts, folder, given.rounds, _no_shelf, cold=False)


def _compare(
    name: str, texts: Sequence[str], folder: Path, rounds: int, without: Callable[[], Any], *, cold: bool
) -> None:
    project = Project()
    programs = [project.compile(SourceFile(str(folder / "p.mosaic"), text)).programs[0] for text in texts]
    taken: dict[str, list[tuple[float, float]]] = {"with": [], "without": []}
    read: dict[str, int] = {}
    for _ in range(rounds):
        for how in taken:
            if cold:
                _cool(folder)
            with _counting() as reads, mock.MagicMock() if how == "with" else without():
                taken[how].append(_run(programs, folder))
            read[how] = sum(reads[f"{lora}.safetensors"] for lora in LORAS)
    clock, processor = (
        {how: statistics.median(each[which] for each in runs) for how, runs in taken.items()}
        for which in (0, 1)
    )
    print(
        f"{name}: {clock['with']:.2f} s and {clock['without']:.2f} s without, ratio "
        f"{clock['without'] / clock['with']:.2f}; processor {processor['with']:.2f} s and "
        f"{processor['without']:.2f} s; adapters read {read['with']} and {read['without']} times",
        flush=True,
    )


def _run(programs: Sequence[Program], folder: Path) -> tuple[float, float]:
    worker = engine(device="cpu", beside=folder)
    worker.ahead = True
    started = time.perf_counter(), time.process_time()
    worker.run_all(programs, [folder / "out" / str(n) for n in range(len(programs))])
    return time.perf_counter() - started[0], time.process_time() - started[1]


def _upfront() -> Any:
    return mock.patch.object(invocation, "Prefetch", Upfront)


def _no_shelf() -> Any:
    return mock.patch.object(invocation, "_SHELVED", 1 << 60)


@contextmanager
def _counting() -> Iterator[Counter[str]]:
    """How often each file's tensors are read, by name."""
    found: Counter[str] = Counter()
    whole = Reader._opened

    def counted(self: Reader, file: File, *given: Any, **named: Any) -> Opened:
        if named.get("read", True):
            found[Path(file.location).name] += 1
        return whole(self, file, *given, **named)

    with mock.patch.object(Reader, "_opened", counted):
        yield found


def _cool(folder: Path) -> None:
    for path in folder.rglob("*.safetensors"):
        if "out" not in path.parts:
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    main()
