"""`mosaic bench composition`: draws every set of experts by every scheme and reads what the pictures show.

Results are lines of JSON, one a picture, written as they come: a run that was interrupted goes on where it stood.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mosaic.bench.schemes import Scheme, find
from mosaic.stdlib.zoo.sets import TUNING, CompositionSet, composition_sets, met, tuning_sets

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mosaic.bench.published import Published
    from mosaic.runtime.engine import Engine
    from mosaic.stdlib.zoo.checker import Checker, Reading

SEEDS: Final = (1, 2, 3)
CHUNK: Final = 8
"""Sets that are drawn before their results are written."""


@dataclass(frozen=True)
class Outcome:
    """One picture: by which scheme, of which set, from which seed, what of the wanted it shows, and its share of the
    cost.

    `rows` are latents that went through a denoiser, with guidance two of them for one evaluation; `seconds` are of
    the run that drew the picture beside others.
    """

    scheme: str
    set: int
    experts: tuple[str, ...]
    categories: tuple[str, ...]
    seed: int
    met: dict[str, bool]
    rows: float
    calls: float
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether the picture shows all that was wanted."""
        return all(self.met.values())


def run(
    folder: Path,
    schemes: Sequence[str],
    *,
    count: int,
    seeds: Sequence[int] = SEEDS,
    jobs: int = 1,
    tuning: bool = False,
    done: Callable[[int, int], None] = lambda finished, total: None,
) -> list[Outcome]:
    """Draw what the folder does not hold yet, and return every outcome of these schemes and sets, or with `tuning` of
    sets that are kept for choosing strengths and settings by.

    Raises MosaicError where the engine is not installed or the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sets = tuning_sets(min(count, TUNING)) if tuning else composition_sets(count)
    known = {(each.scheme, each.experts, each.seed): each for each in read(folder)}
    tasks = [
        (name, chunk, tuple(seeds))
        for name in schemes
        for chunk in _chunks(
            [
                number
                for number, each in enumerate(sets)
                if any((name, each.experts, seed) not in known for seed in seeds)
            ]
        )
    ]
    arguments = [(name, [(n, sets[n]) for n in chunk], given) for name, chunk, given in tasks]
    finished = 0
    with (folder / "outcomes.jsonl").open("a", encoding="utf-8") as file:
        for found in _results(arguments, jobs):
            for each in found:
                file.write(json.dumps(asdict(each), separators=(",", ":")) + "\n")
                known[each.scheme, each.experts, each.seed] = each
            file.flush()
            finished += 1
            done(finished, len(tasks))
    wanted = {each.experts for each in sets}
    return [
        each
        for each in known.values()
        if each.scheme in schemes and each.seed in seeds and each.experts in wanted
    ]


def read(folder: Path) -> Iterator[Outcome]:
    """The outcomes in a folder. A last line that was cut short is passed over."""
    path = folder / "outcomes.jsonl"
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            continue
        yield Outcome(
            **{**values, "experts": tuple(values["experts"]), "categories": tuple(values["categories"])}
        )


def _chunks(numbers: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(numbers), CHUNK):
        yield list(numbers[start : start + CHUNK])


_Task = tuple[str, list[tuple[int, CompositionSet]], tuple[int, ...]]


def _results(arguments: Sequence[_Task], jobs: int) -> Iterator[list[Outcome]]:
    if jobs <= 1:
        yield from map(_outcomes, arguments)
        return
    with ProcessPoolExecutor(jobs, initializer=_alone) as pool:
        yield from pool.map(_outcomes, arguments)


def _alone() -> None:
    import torch

    torch.set_num_threads(1)


def _outcomes(task: _Task) -> list[Outcome]:
    name, sets, seeds = task
    scheme, found = find(name), []
    for number, wanted in sets:
        started = time.perf_counter()
        pictures, calls, rows = draw(scheme, wanted, seeds)
        seconds = time.perf_counter() - started
        for seed, reading in zip(seeds, readings(pictures), strict=True):
            found.append(
                Outcome(
                    scheme=name,
                    set=number,
                    experts=wanted.experts,
                    categories=wanted.categories,
                    seed=seed,
                    met=met(wanted.scene, reading),
                    rows=rows / len(seeds),
                    calls=calls / len(seeds),
                    seconds=seconds / len(seeds),
                )
            )
    return found


def draw(
    scheme: Scheme, wanted: CompositionSet, seeds: Sequence[int]
) -> tuple[npt.NDArray[np.uint8], int, int]:
    """Pictures (n, 64, 64, 3) of a set, one a seed; calls of the denoiser and rows in them, of all together."""
    if not scheme.is_ours:
        return _published().draw(scheme, wanted, seeds)
    from mosaic.compiler.source import SourceFile

    project, engine = _engine()
    program = project.compile(SourceFile("<bench>", scheme.plan(wanted))).programs[0]
    drawn = engine.draw(program, seeds)
    return drawn.pictures, drawn.evaluations, drawn.rows


def readings(pictures: npt.NDArray[np.uint8]) -> list[Reading]:
    """What the zoo's checker reads in pictures (n, 64, 64, 3)."""
    return _checker().read(pictures)


@cache
def _engine() -> tuple[Any, Engine]:
    from mosaic.project import Project, engine

    return Project(), engine(device="cpu")


@cache
def _published() -> Published:
    from mosaic.bench.published import Published

    return Published.load()


@cache
def _checker() -> Checker:
    from mosaic.stdlib.zoo.checker import Checker

    return Checker()
