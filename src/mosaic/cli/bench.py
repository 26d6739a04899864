"""`mosaic bench`: benchmarks whose results are facts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from mosaic.cli.console import guarded

app = typer.Typer(
    name="bench",
    help="Benchmarks: how well experts compose, how well costs are predicted, how well requests become plans.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command("composition")
@guarded
def composition(
    schemes: Annotated[
        list[str] | None,
        typer.Option("--scheme", metavar="NAME", help="One row of the table; several options: several rows."),
    ] = None,
    count: Annotated[int, typer.Option("--sets", min=1, max=480, help="How many sets of experts.")] = 480,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds for each set.")] = 3,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="How many processes draw.")] = 1,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="DIR", help="Where outcomes are kept; a run goes on there."),
    ] = Path("bench-composition"),
    strengths: Annotated[
        list[str] | None,
        typer.Option("--strength", metavar="KIND=NUMBER", help="At another strength: all=0.8, object=1.4, …"),
    ] = None,
    tuning: Annotated[
        bool, typer.Option("--tuning", help="Sets kept for choosing strengths by, none of the benchmark's.")
    ] = False,
    costs: Annotated[
        bool, typer.Option("--costs", help="Measure seconds and memory as well: quiet machine, some minutes.")
    ] = False,
    sheets: Annotated[bool, typer.Option("--sheets", help="Draw contact sheets as well.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="The table that the compiler reads.")] = False,
) -> None:
    """Compose sets of the zoo's experts by every operator and by published schemes, and read what the pictures show.

    480 sets of two to five experts (a character with clothes, object, background, style), each with so many seeds. An
    outcome is right where the checker reads everything that was wanted. Shares stand with 95 % intervals over sets.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from mosaic.bench import composition as bench
    from mosaic.bench import costs as costing
    from mosaic.bench import table
    from mosaic.bench.schemes import SCHEMES, find
    from mosaic.stdlib.zoo.sets import CATEGORIES

    unknown = [name for name in schemes or () if name not in SCHEMES]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is none of: {', '.join(SCHEMES)}", param_hint="--scheme")
    wanted = schemes or list(SCHEMES)
    if strengths:
        given = dict(_strength(each, ("all", *CATEGORIES)) for each in strengths)
        wanted = [find(name).at(given).name for name in wanted]
    columns = (TextColumn("drawing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as shown:
        bar = shown.add_task("", total=None)
        outcomes = bench.run(
            output,
            wanted,
            count=count,
            seeds=range(1, seeds + 1),
            jobs=jobs,
            tuning=tuning,
            done=lambda finished, total: shown.update(bar, completed=finished, total=total),
        )
    if costs:
        costing.write(output / "costs.json", costing.measure(wanted))
    if json_output:
        print(json.dumps(table.fidelity(outcomes), indent=1))
    else:
        print(
            table.main_table(outcomes, costing.read(output / "costs.json")),
            table.attribute_table(outcomes),
            table.best_table(outcomes),
            sep="\n",
        )
    if sheets:
        from mosaic.bench import sheets as drawing

        for size in (2, 3, 4, 5):
            page = drawing.sheet(wanted, drawing.chosen(count, size, 6), seed=1)
            drawing.save(page, output / f"sheet-{size}.png")


@app.command("costs")
@guarded
def costs(
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write every figure here, as JSON.")
    ] = None,
    small: Annotated[bool, typer.Option("--small", help="Few, short plans: minutes, and rougher.")] = False,
    memory: Annotated[bool, typer.Option("--memory", help="Measure peak memory as well.")] = False,
) -> None:
    """Predict what plans cost, run them, and say how well the two agree. One thread; best on a quiet machine.

    Plans over the zoo by every operator, and over models of random weights. The machine is measured first, as by
    `mosaic calibrate`.
    """
    import tempfile

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from mosaic.api.calibrating import measured
    from mosaic.bench import pricing
    from mosaic.project import Project, engine
    from mosaic.runtime.writing import write

    pricing.one_thread()
    profile = measured(engine(device="cpu"))
    columns = (TextColumn("running"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with tempfile.TemporaryDirectory() as name, Progress(*columns, transient=True) as shown:
        folder = Path(name)
        pricing.random_models(folder)
        wanted = list(pricing.cases(pricing.installed(Project()), folder, small=small))
        bar = shown.add_task("", total=len(wanted))
        rows = pricing.measure(
            wanted, profile, folder, lambda finished, total: shown.update(bar, completed=finished)
        )
        of_memory = [case for case in wanted if case.group in pricing.RANDOM] + wanted[:2]
        of_memory += pricing.tiled(folder, small=small)
        peaks = pricing.peaks(of_memory, profile, folder) if memory else []
    typer.echo(pricing.table(rows, peaks))
    if output is not None:
        write(output, pricing.document(rows, peaks, profile).encode())


@app.command("agent")
@guarded
def agent(
    backend: Annotated[
        str, typer.Option("--backend", metavar="NAME", help="Who writes the plans: offline, openai or local.")
    ] = "offline",
    model: Annotated[
        str | None, typer.Option("--model", help="A model's name, or the folder of a local one.")
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", metavar="URL", help="An endpoint that speaks OpenAI's protocol."),
    ] = None,
    split: Annotated[
        str, typer.Option("--split", help="dev, for working by; test, for reporting; or all.")
    ] = "test",
    which: Annotated[
        str, typer.Option("--over", metavar="zoo|hub|all", help="The zoo, the synthetic catalog, or both.")
    ] = "all",
    experts: Annotated[
        int, typer.Option("--experts", min=0, help="How many experts the synthetic catalog has at least.")
    ] = 5_000,
    most: Annotated[
        int | None,
        typer.Option("--requests", min=1, help="The first so many requests of each catalog alone."),
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=0, help="Pictures of each plan over the zoo; 0: nothing is run.")
    ] = 1,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Draw what the base alone makes of the requests, too.")
    ] = False,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="DIR", help="Where catalogs, results and the sheet go."),
    ] = Path("bench-agent"),
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit-tokens", metavar="N", min=0, help="Spend no more tokens on a model, all in all."
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Go on without asking, whatever it costs.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print every result as JSON.")] = False,
) -> None:
    """Compose plans for requests whose right answers are known, run those over the zoo, and say how well that went.

    The requests are over the zoo and over a synthetic catalog with near-duplicates, misleading descriptions and
    licences that forbid selling pictures. Shares stand with 95 % intervals (Wilson).
    """
    import sys

    from mosaic.bench.agent.command import Options, measured
    from mosaic.bench.agent.requests import HUB, SPLITS, ZOO
    from mosaic.cli.composing import ask

    _one_of(split, (*SPLITS, "all"), "--split")
    _one_of(which, (ZOO, HUB, "all"), "--over")
    _one_of(backend, ("offline", "openai", "local"), "--backend")
    chosen = Options(
        backend=backend,
        model=model,
        base_url=base_url,
        split="" if split == "all" else split,
        which="" if which == "all" else which,
        experts=experts,
        most=most,
        seeds=seeds,
        pictures=pictures,
        limit=limit,
        yes=yes,
    )
    with _bar("composing") as shown:
        at_terminal = sys.stdin.isatty() and sys.stderr.isatty()
        report = measured(chosen, output, shown, ask if at_terminal else None)
    typer.echo(report.json if json_output else report.text)


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        bar = shown.add_task("", total=None)
        yield lambda finished, total: shown.update(bar, completed=finished, total=total)


def _one_of(text: str, names: tuple[str, ...], option: str) -> None:
    if text not in names:
        raise typer.BadParameter(f"{text!r} is none of: {', '.join(names)}", param_hint=option)


def _strength(text: str, kinds: tuple[str, ...]) -> tuple[str, float]:
    kind, _, number = text.partition("=")
    if kind not in kinds or not re.fullmatch(r"\d+(\.\d+)?", number):
        raise typer.BadParameter(
            f"{text!r} is not KIND=NUMBER with a kind of: {', '.join(kinds)}", param_hint="--strength"
        )
    return kind, float(number)
