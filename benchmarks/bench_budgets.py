"""Whether choosing by a budget pays: against every operator that a careful author could have fixed instead.

Plans are those of the composition benchmark, each under a ladder of latency budgets. For each rung: the measured
fidelity of what the compiler chooses; of every fixed operator, pinned in the plan, that is predicted to keep the same
budget; and, for some, whether a run keeps it. Takes a device profile of this machine (`mosaic calibrate`), of which a
copy learns from runs of other plans first, as `mosaic run` teaches the user's own.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mosaic import stdlib
from mosaic.bench.schemes import SCHEMES
from mosaic.compiler import compile
from mosaic.compiler.program import Program
from mosaic.compiler.source import SourceFile
from mosaic.learning import expected, ratios
from mosaic.profiles import find_profile, learn
from mosaic.project import Project, engine
from mosaic.runtime.engine import Engine
from mosaic.stdlib.zoo.sets import CompositionSet, composition_sets, tuning_sets

LADDER = (0.5, 0.8, 1.0, 1.1, 1.3, 1.7, 2.5, 4.0)
"""Budgets as multiples of what the cheapest operator is predicted to take."""


@dataclass(frozen=True)
class Rung:
    """A plan under a budget: the fidelity of what was chosen (None: refused), the best of the fixed operators that keep
    the budget (None: none does), and the seconds that were allowed and taken (0: not run)."""

    chosen: float | None
    fixed: float | None
    operator: str
    limit: float
    taken: float = 0.0


def main() -> None:
    """Print how often the choice was at least as good as the best fixed operator, and how often runs kept budgets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plans", type=int, default=60)
    parser.add_argument(
        "--run", type=int, default=20, help="how many plans are run, on every rung that is allowed"
    )
    parser.add_argument("--device", help="a profile; without it the one that `mosaic calibrate` wrote")
    chosen = parser.parse_args()
    rungs = [rung for each in _rungs(chosen.plans, chosen.run, chosen.device) for rung in each]
    allowed = [rung for rung in rungs if rung.chosen is not None]
    worse = [rung for rung in rungs if (rung.chosen or 0) < (rung.fixed or 0) - 1e-9]
    better = [rung for rung in allowed if not rung.fixed or (rung.chosen or 0) > rung.fixed + 1e-9]
    print(f"{chosen.plans} plans, {len(rungs)} budgets, {len(rungs) - len(allowed)} refused as too small")
    print(f"worse than the best fixed operator that keeps the budget: {len(worse)}; better: {len(better)}")
    missed = [rung for rung in rungs if rung.chosen is None and rung.fixed]
    print(f"refused though a fixed operator keeps the budget: {len(missed)}")
    for operator in dict.fromkeys(rung.operator for rung in allowed):
        print(f"  {operator}: {sum(rung.operator == operator for rung in allowed)}")
    ran = [rung for rung in allowed if rung.taken]
    if ran:
        kept = sum(rung.taken <= rung.limit for rung in ran)
        share = statistics.median(rung.taken / rung.limit for rung in ran)
        print(
            f"{kept} of {len(ran)} runs kept the budget ({kept / len(ran):.0%}); they took {share:.2f} of it (median)"
        )


def _rungs(plans: int, runs: int, device: str | None) -> Iterator[list[Rung]]:
    worker, every = engine(device="cpu"), composition_sets()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = Project(device=_taught(device, folder, worker))
        fidelity = project.context(SourceFile("<bench>", "")).fidelity
        fixed = [name for name in stdlib.find_operators() if fidelity.of(name, ("", ""))]
        for number, wanted in enumerate(every[:: max(1, len(every) // plans)][:plans]):
            priced = [_priced(project, wanted, name) for name in fixed]
            cheapest = min(latency for latency, share in priced if share > 0)
            found = []
            for times in LADDER:
                limit = cheapest * times
                best = max((share for latency, share in priced if latency <= limit), default=None)
                found.append(_one(project, wanted, limit, best, worker if number < runs else None, folder))
            yield found


def _taught(device: str | None, folder: Path, worker: Engine) -> str:
    """A copy of a profile that has learned from runs of plans that are not judged."""
    given, path = find_profile(device), folder / "profile.json"
    assert given is not None, "there is no profile: mosaic calibrate"
    path.write_bytes(given.read_bytes())
    project, observed = Project(device=str(path)), dict[str, list[float]]()
    for wanted in tuning_sets(8):
        for operator in ("sum", "balance"):
            source = SourceFile("<bench>", _plan(wanted, f", via: {operator}", ""))
            context = project.context(source)
            compiled = compile(source, context)
            # Of two runs the second one counts, when files are read and networks built.
            result = [worker.run(compiled.programs[0], folder) for _ in range(2)][-1]
            for op, found in ratios(expected(compiled.graphs[0], context), result).items():
                observed.setdefault(op, []).extend(found)
    learn(path, observed)
    return str(path)


def _priced(project: Project, wanted: CompositionSet, operator: str) -> tuple[float, float]:
    """The seconds that an operator is predicted to take (90th percentile), and its measured fidelity."""
    source = SourceFile("<bench>", _plan(wanted, f", via: {operator}", ""))
    compiled = compile(source, project.context(source), alternatives=1)
    decision = compiled.decisions["composed"]
    assert decision.chosen is not None
    (choice,) = compiled.choices["composed"]
    return decision.chosen.need.latency, choice.share


def _one(
    project: Project,
    wanted: CompositionSet,
    limit: float,
    fixed: float | None,
    worker: Engine | None,
    folder: Path,
) -> Rung:
    # The last digit is rounded up, so that a limit is never below what it was made from.
    source = SourceFile("<bench>", _plan(wanted, "", f"budget {{ latency: {1000 * limit + 0.001:.3f}ms }}"))
    compiled = compile(source, project.context(source))
    if compiled.has_errors:
        return Rung(None, fixed, "", limit)
    (choice,) = compiled.choices["composed"]
    taken = _seconds(compiled.programs[0], worker, folder) if worker is not None else 0.0
    return Rung(choice.share, fixed, choice.operator, limit, taken)


def _seconds(program: Program, worker: Engine, folder: Path) -> float:
    """The seconds of a second run."""
    taken = 0.0
    for _ in range(2):
        started = time.perf_counter()
        worker.run(program, folder)
        taken = time.perf_counter() - started
    return taken


def _plan(wanted: CompositionSet, via: str, budget: str) -> str:
    text = SCHEMES["sum"].plan(wanted).replace(", via: sum", via)
    return text.replace("plan composed {", f"plan composed {{\n  {budget}") if budget else text


if __name__ == "__main__":
    main()
