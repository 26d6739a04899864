"""The catalog by its size: search, checking a plan, space on disk, snapshots.

Each figure stands beside a peer that was measured in turn in the same run, where there is one. Times are processor
time of one thread (DuckDB is given one, too): what else the machine does then matters little.
`--sizes 1000 10000` for a shorter run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmarks.measuring import processor, quantile, run, timed

from mosaic.bench.synthetic.experts import expert, experts
from mosaic.bench.synthetic.words import QUALITIES, STYLES, SUBJECTS, draw
from mosaic.catalog.record import Record
from mosaic.catalog.store import Store, open_store
from mosaic.compiler.types import Kind

SIZES: Final = (1_000, 10_000, 100_000)
_BATCH: Final = 2_000
_QUERIES: Final = 200
_PEER_QUERIES: Final = 30
_ROUNDS: Final = 5
_CHECKS: Final = 11


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        report["sizes"] = [of_size(Path(folder), size) for size in given.sizes]
    print(json.dumps(report, indent=2)) if given.json else show(report)


def show(report: dict[str, Any]) -> None:
    """As text."""
    names = dict.fromkeys(name for row in report["sizes"] for name in row)
    for name in names:
        cells = "".join(f"{row[name] if row[name] is not None else '':>12}" for row in report["sizes"])
        print(f"{name:<54}{cells}")


# By size


def of_size(folder: Path, size: int) -> dict[str, Any]:
    """Every figure for one number of experts."""
    path = folder / f"{size}.duckdb"
    plan, chosen = _plan(folder / f"{size}.mosaic", size)
    started = time.process_time()
    put = _fill(path, size, chosen)
    row: dict[str, Any] = {"experts": f"{size:,}", "written (records a second)": f"{size / put:,.0f}"}
    row["of it, making the records (s)"] = f"{time.process_time() - started - put:.1f}"
    row["on disk (MB)"] = f"{path.stat().st_size / 1e6:.1f}"
    row["on disk (bytes an expert)"] = f"{path.stat().st_size / size:,.0f}"
    with open_store(path) as store:
        row |= _searches(store, size)
        row |= _snapshots(store, folder / f"snapshot-{size}", folder / f"back-{size}.duckdb")
    row |= _checks(path, plan, folder)
    return row


def _fill(path: Path, size: int, chosen: Sequence[Record]) -> float:
    """Put the experts, a batch a transaction; gives the seconds that putting took."""
    taken = 0.0
    stream: Iterator[Record] = experts(size - len(chosen), seed=1)
    with open_store(path, write=True) as store:
        batch: list[Record] = list(chosen)
        while batch:
            taken += timed(lambda b=batch: store.put(b)) / 1000
            batch = list(islice(stream, _BATCH))
    return taken


def _searches(store: Store, size: int) -> dict[str, Any]:
    random = Random("queries")
    queries = [
        f"{draw(random, QUALITIES)} {draw(random, STYLES)} {draw(random, SUBJECTS)}" for _ in range(_QUERIES)
    ]
    filters: list[dict[str, Any]] = [
        {},
        {"families": ("sdxl",)},
        {"kind": Kind.LORA},
        {"license": "CC-BY-4.0"},
    ]
    searched = [
        timed(lambda q=query, f=filters[i % 4]: store.search(q, **f)) for i, query in enumerate(queries)
    ]
    found = [timed(lambda q=query: store.find(Kind.LORA, q, ("sdxl",))) for query in queries]
    texts = _texts(store)
    like, scanned = [], []
    for query in queries[:_PEER_QUERIES]:
        like.append(timed(lambda q=query: _like(texts, q)))
        scanned.append(timed(lambda q=query: _scan(texts, q)))
    p50, p95 = quantile(searched, 0.5), quantile(searched, 0.95)
    return {
        "search, p50 (ms)": f"{p50:.1f}",
        "search, p95 (ms)": f"{p95:.1f}",
        "find for a plan, p95 (ms)": f"{quantile(found, 0.95):.1f}",
        "peer: SQL LIKE over the same texts, p50 (ms)": f"{quantile(like, 0.5):.1f}",
        "peer: Python over the same texts, p50 (ms)": f"{quantile(scanned, 0.5):.1f}",
        "ratio search to LIKE": f"{p50 / quantile(like, 0.5):.2f}",
        "ratio search to Python": f"{p50 / quantile(scanned, 0.5):.2f}",
    }


@dataclass(frozen=True)
class _Texts:
    connection: Any
    rows: list[tuple[str, str]]


def _texts(store: Store) -> _Texts:
    """Ids with all their words, in a table without an index and in a list: what a scan would read."""
    import duckdb

    rows = [(row.id, f"{row.id} {row.title} {row.trigger or ''}".lower()) for row in store.list()]
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("CREATE TABLE texts (id VARCHAR, text VARCHAR)")
    connection.execute(
        "INSERT INTO texts SELECT unnest($1::VARCHAR[]), unnest($2::VARCHAR[])",
        [[id for id, _ in rows], [text for _, text in rows]],
    )
    return _Texts(connection, rows)


def _like(texts: _Texts, query: str) -> object:
    words = query.split()
    score = " + ".join("(text LIKE ?)::INT" for _ in words)
    asked = f"SELECT id, {score} AS score FROM texts ORDER BY score DESC, id LIMIT 20"
    return texts.connection.execute(asked, [f"%{word}%" for word in words]).fetchall()


def _scan(texts: _Texts, query: str) -> object:
    words = query.split()
    scored = ((-sum(word in text for word in words), id) for id, text in texts.rows)
    return sorted(scored)[:20]


def _snapshots(store: Store, folder: Path, back: Path) -> dict[str, Any]:
    written = timed(lambda: store.export(folder)) / 1000
    with open_store(back, write=True) as other:
        read = timed(lambda: other.import_(folder)) / 1000
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return {
        "snapshot: export (s)": f"{written:.1f}",
        "snapshot: size (MB)": f"{size / 1e6:.1f}",
        "snapshot: import (s)": f"{read:.1f}",
    }


# Checking


def _plan(path: Path, size: int) -> tuple[Path, list[Record]]:
    """A plan with a base and seven LoRAs, and their records."""
    random = Random(f"plan {size}")
    base = expert(random, "bench/base", Kind.CHECKPOINT, "sd1", lineage="")
    loras = []
    while len(loras) < 7:
        made = expert(
            random, f"bench/lora-{len(loras)}", Kind.LORA, "sd1", trigger=None, triggers=(), strengths=None
        )
        if made.facts.adapter is not None and made.facts.adapter.algorithm == "lora":
            loras.append(made)
    lines = [f'  let e{number} = lora("{lora.facts.id}")' for number, lora in enumerate(loras)]
    fused = ", ".join(f"e{number} * 0.2" for number in range(len(loras)))
    path.write_text(
        f'mosaic 1\n\nplan eight {{\n  let base = checkpoint("{base.facts.id}")\n' + "\n".join(lines) + "\n"
        f"  let look = fuse(base, {fused})\n"
        '  emit sample(look, prompt: "a cat by the river", seed: 7) as "a.png"\n}\n'
    )
    return path, [base, *loras]


def _checks(path: Path, plan: Path, folder: Path) -> dict[str, Any]:
    """`mosaic check` of eight experts: whole processes against one over the zoo, and inside a process that is up."""
    from mosaic.compiler import check
    from mosaic.project import Project, read

    # The engine runs one family; what it says of the others is not what is measured here.
    ours = [sys.executable, "-m", "mosaic", "check", str(plan), "--catalog", str(path)]
    zoo = [sys.executable, "-m", "mosaic", "check", "examples/alley.mosaic"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_DATA_HOME": str(folder / "none")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's second check finds everything compiled
    for command in (ours, zoo):
        run(command, environment)  # fill the caches of bytecode and files
    opened = f"import duckdb; duckdb.connect({str(path)!r}, read_only=True)"
    with_catalog, without, floor, bare = [], [], [], []
    for _ in range(_CHECKS):
        with_catalog.append(run(ours, environment))
        without.append(run(zoo, environment))
        floor.append(run([sys.executable, "-c", opened], environment))
        bare.append(run([sys.executable, "-c", "pass"], environment))
    cold, warm = [], []
    for _ in range(_ROUNDS):
        project, source = Project(path), read(plan)
        context = project.context(source)
        cold.append(timed(lambda s=source, c=context: check(s, c)))
        warm.append(timed(lambda s=source, c=context: check(s, c)))
        if project.catalog is not None:
            project.catalog.close()
    whole, zoo_plan, duckdb = (1000 * processor(runs) for runs in (with_catalog, without, floor))
    return {
        "check, whole process (ms)": f"{whole:.0f}",
        "check of a zoo plan, no catalog (ms)": f"{zoo_plan:.0f}",
        "opening the file with duckdb alone, beyond Python (ms)": f"{duckdb - 1000 * processor(bare):.0f}",
        "check, beyond the zoo plan (ms)": f"{whole - zoo_plan:.0f}",
        "check in a process that is up, first (ms)": f"{statistics.median(cold):.1f}",
        "check in a process that is up, again (ms)": f"{statistics.median(warm):.1f}",
    }


if __name__ == "__main__":
    main()
