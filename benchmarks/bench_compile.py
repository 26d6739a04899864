"""How long compiling takes in a process that is up, and how it grows: parse, check, all passes, lower.

The examples; a plan with eight experts; a thousand plans in one check; plans of 10 to 1,000 statements. Figures are the
median of several rounds, the best of three where a round takes long, in processor time of one core: what else the
machine does is no part of it.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from mosaic.compiler.diagnostic import Sink
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax.format import format_file
from mosaic.compiler.syntax.parse import parse
from mosaic.project import Project, read

ROOT = Path(__file__).parent.parent
ROUNDS = 20
EIGHT = 0.050
"""Seconds that a plan with eight experts may take."""
THOUSAND = 10.0
"""Seconds that a thousand plans in one check may take."""
SIZES = (10, 30, 100, 300, 1000)
LORAS = ("neon", "watercolor", "tiles", "sketch", "hat", "star", "crown", "snow")


def main() -> None:
    """Print tables of milliseconds and whether the goals are met."""
    os.chdir(ROOT)
    for line in (*_examples(), "", *_eight(), "", *_thousand(), "", *_growth()):
        print(line)


def _examples() -> Iterator[str]:
    yield f"{'compiling, ' + str(ROUNDS) + ' rounds':<28}{'parse':>10}{'format':>10}{'check':>10}{'compile':>10}"
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
        yield f"{path.stem:<28}" + "".join(f"{1000 * taken:>7.2f} ms" for taken in times)


def _eight() -> Iterator[str]:
    """Eight LoRAs, fused by every class of operators, with strengths, windows and a region."""
    project = Project()
    for name, via in (("weights", "sum"), ("predictions", "composite"), ("schedule", "chain")):
        source = SourceFile("eight.mosaic", eight_experts(via))
        project.compile(source)
        yield _against(f"eight experts by {name}", _median(partial(project.compile, source)), EIGHT)


def eight_experts(via: str) -> str:
    """A plan over eight LoRAs of the zoo, each with a strength and a window of its own."""
    lets = "".join(f'  let {name} = lora("zoo/{name}")\n' for name in LORAS)
    operands = ", ".join(f"{name} * 0.{at + 1} during {10 * at}%..100%" for at, name in enumerate(LORAS))
    words = ", ".join(f"{{{name}}}" for name in ("neon", "watercolor", "hat"))
    return (
        f'mosaic 1\nplan p {{\n  let base = checkpoint("zoo/base")\n{lets}'
        f"  let look = fuse(base, {operands}, via: {via})\n"
        f'  emit sample(look, prompt: "a cat, {words}", steps: 20) as "a.png"\n}}\n'
    )


def _thousand() -> Iterator[str]:
    """A thousand files, each with a plan of its own, checked by one project as `mosaic check FOLDER` does."""
    with tempfile.TemporaryDirectory() as folder:
        files = many_plans(Path(folder), 1000)
        started = time.process_time()
        project = Project()
        for path in files:
            project.check(read(path))
        yield _against("1,000 plans checked", time.process_time() - started, THOUSAND)


def many_plans(folder: Path, count: int) -> list[Path]:
    """Files in a folder, each with a plan of its own."""
    files = []
    for number in range(count):
        path = folder / f"{number}.mosaic"
        first, second = LORAS[number % 8], LORAS[(number // 8) % 8]
        others = f', lora("zoo/{second}") * 0.3' if second != first else ""
        path.write_text(
            f'mosaic 1\nplan p{number} {{\n  let base = checkpoint("zoo/base")\n  let style = lora("zoo/{first}")\n'
            f"  let look = fuse(base, style * 0.{number % 9 + 1}{others})\n"
            f'  emit sample(look, prompt: "a cat, {{style}}", seed: {number}) as "{number}.png"\n}}\n'
        )
        files.append(path)
    return files


def _growth() -> Iterator[str]:
    """Plans that fuse on and sample, again and again: time a node should stay what it is."""
    yield f"{'growing':<28}{'nodes':>10}{'compile':>12}{'a node':>12}"
    project = Project()
    for size in SIZES:
        source = SourceFile("long.mosaic", long_plan(size))
        graph = project.compile(source).graphs[0]
        taken = min(_timed(partial(project.compile, source)) for _ in range(3))
        nodes = len(graph.nodes())
        yield f"{f'{size} statements':<28}{nodes:>10}{1000 * taken:>9.1f} ms{1e6 * taken / nodes:>9.0f} µs"


def long_plan(statements: int) -> str:
    """A plan of about so many statements: models over one base, each sampled, with windows and rests."""
    lines = ['let base = checkpoint("zoo/base")', 'let neon = lora("zoo/neon")', 'let hat = lora("zoo/hat")']
    number = 0
    while len(lines) < statements:
        number += 1
        strength = number / (statements + 1)
        lines += [
            f"let m{number} = fuse(base, neon * {strength:.6f}, hat * 0.5 during 0%..50%)",
            f'let s{number} = sample(m{number}, prompt: "a cat {number}, {{neon}}, {{hat}}", steps: 8, seed: {number})',
            f'emit s{number} as "{number}.png"',
        ]
    body = "\n  ".join(lines)
    return f"mosaic 1\nplan p {{\n  {body}\n}}\n"


def _against(what: str, taken: float, goal: float) -> str:
    verdict = "met" if taken <= goal else "missed"
    return f"{what:<28}{1000 * taken:>9.1f} ms, at most {1000 * goal:.0f} ms: {verdict}"


def _median(action: Callable[[], object]) -> float:
    return statistics.median(_timed(action) for _ in range(ROUNDS))


def _timed(action: Callable[[], object]) -> float:
    started = time.process_time()
    action()
    return time.process_time() - started


if __name__ == "__main__":
    main()
