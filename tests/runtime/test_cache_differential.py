"""Random plans without a cache, with a cold one, with a warm one, all at once, and with one that two processes share:
the bytes of every file are the same.

The plans are those of `benchmarks/random_plans.py`.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from mosaic.compiler import compile
from mosaic.compiler.program import Program
from mosaic.compiler.source import SourceFile
from mosaic.project import engine
from mosaic.runtime.cache.disk import Disk
from mosaic.runtime.origin import Origin
from mosaic.runtime.results import RunResult


@pytest.fixture(scope="module")
def plans() -> ModuleType:
    """`benchmarks/random_plans.py`, which is no part of the package."""
    path = Path(__file__).parents[2] / "benchmarks" / "random_plans.py"
    spec = importlib.util.spec_from_file_location("random_plans", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def programs(plans: ModuleType, seeds: Sequence[int], folder: Path) -> list[Program]:
    """The programs of those plans that compile."""
    trials = plans.Trials(folder)
    found = []
    for seed in seeds:
        source = SourceFile(str(folder / "plan.mosaic"), plans.random_plan(seed))
        compiled = compile(source, trials.project.context(source))
        if not compiled.has_errors:
            # As JSON has them: the recipes in files tell parameters as they are written there.
            found += [Program.from_json(program.to_json()) for program in compiled.programs]
    return found


def reseeded(program: Program) -> Program:
    """The same program with other seeds."""
    instructions = []
    for each in program.instructions:
        seed = getattr(each.operation, "seed", None)
        other = {} if seed is None else {"seed": seed ^ 1}
        instructions.append(each.model_copy(update={"operation": each.operation.model_copy(update=other)}))
    return program.model_copy(update={"instructions": tuple(instructions)})


def files(results: Sequence[RunResult]) -> list[dict[str, bytes]]:
    return [{each.name: each.path.read_bytes() for each in result.emitted} for result in results]


SHARING = """
import sys
from pathlib import Path
from mosaic.compiler.program import Program
from mosaic.project import engine
from mosaic.runtime.cache.disk import Disk
folder, mine, turn = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
paths = sorted(folder.glob("*.json"))
worker = engine(device="cpu", cache=Disk(folder / "shared"))
print("ready", flush=True)
sys.stdin.readline()
for path in paths[::turn]:
    worker.run(Program.from_json(path.read_bytes()), mine / path.stem)
"""


def check(plans: ModuleType, seeds: Sequence[int], tmp_path: Path) -> None:
    folder = tmp_path / "plans"
    folder.mkdir()
    found = programs(plans, seeds, folder)
    assert len(found) > len(seeds) // 8
    outputs = [Path(str(number)) for number in range(len(found))]
    off = engine(device="cpu")
    wanted = files([off.run(p, tmp_path / "off" / o) for p, o in zip(found, outputs, strict=True)])

    cold = engine(device="cpu", cache=Disk(tmp_path / "cache"))
    results = [cold.run(p, tmp_path / "cold" / o) for p, o in zip(found, outputs, strict=True)]
    assert files(results) == wanted, "cold"

    warm = engine(device="cpu", cache=Disk(tmp_path / "cache"))
    results = [warm.run(p, tmp_path / "warm" / o) for p, o in zip(found, outputs, strict=True)]
    assert files(results) == wanted, "warm"
    assert sum(result.evaluations for result in results) == 0
    assert sum(result.count(Origin.CACHE) for result in results) > 0

    together = engine(device="cpu").run_all(found, [tmp_path / "together" / o for o in outputs])
    assert files(together) == wanted, "all at once"

    # What is evicted and damaged between two runs is computed again.
    disk = Disk(tmp_path / "cache")
    for number, entry in enumerate(disk.entries()):
        if number % 3 == 0:
            disk.remove(entry.key)
        elif number % 3 == 1:
            entry.path.write_bytes(entry.path.read_bytes()[:-1])
    patchy = engine(device="cpu", cache=Disk(tmp_path / "cache"))
    results = [patchy.run(p, tmp_path / "patchy" / o) for p, o in zip(found, outputs, strict=True)]
    assert files(results) == wanted, "patchy"

    for number, program in enumerate(found):
        (folder / f"{number}.json").write_bytes(program.to_json())
    _share(folder, tmp_path)
    for turn in (1, -1):
        mine = [
            {name: (tmp_path / f"turn{turn}" / output / name).read_bytes() for name in each}
            for output, each in zip(outputs, wanted, strict=True)
        ]
        assert mine == wanted, "two processes"


def _share(folder: Path, tmp_path: Path) -> None:
    """Two processes at once over one cold cache, one of them backwards."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", SHARING, str(folder), str(tmp_path / f"turn{turn}"), str(turn)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for turn in (1, -1)
    ]
    for worker in workers:
        assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.communicate("go\n")
        assert worker.returncode == 0


@pytest.mark.slow
def test_many_random_plans(plans: ModuleType, tmp_path: Path) -> None:
    check(plans, range(20, 50), tmp_path)


def test_some_random_plans(plans: ModuleType, tmp_path: Path) -> None:
    """Without the second process, which takes long to start."""
    folder = tmp_path / "plans"
    folder.mkdir()
    found = programs(plans, range(1, 13), folder)
    off = engine(device="cpu")
    wanted = files([off.run(p, tmp_path / "off" / str(n)) for n, p in enumerate(found)])
    tight = engine(device="cpu")
    tight.keep = 0
    results = tight.run_all(found, [tmp_path / "tight" / str(n) for n in range(len(found))])
    assert files(results) == wanted, "no model is kept for later"
    # With other seeds as well, so that there are batches: what is not marked is to the bit what it was.
    several = [*found, *map(reseeded, found)]
    batched = engine(device="cpu", batch=16)
    results = batched.run_all(several, [tmp_path / "batched" / str(n) for n in range(len(several))])
    assert any(result.batched for result in results)
    for result, exact in zip(results, wanted, strict=False):
        for each in result.emitted:
            assert each.name in result.batched or each.path.read_bytes() == exact[each.name]
    for name in ("cold", "warm"):
        cached = engine(device="cpu", cache=Disk(tmp_path / "cache"))
        results = cached.run_all(found, [tmp_path / name / str(n) for n in range(len(found))])
        assert files(results) == wanted, name
    assert sum(result.evaluations for result in results) == 0
