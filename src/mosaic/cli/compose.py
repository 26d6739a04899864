"""`mosaic compose`: from a request in plain words to a plan."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mosaic.cli.console import guarded
from mosaic.cli.options import CATALOG, DEVICE


class Backend(StrEnum):
    """Who reads the request and writes the plan."""

    OFFLINE = "offline"
    OPENAI = "openai"
    LOCAL = "local"


@guarded
def compose(
    request: Annotated[
        str, typer.Argument(metavar="REQUEST", help="What the picture shows, or - for standard input.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write the plan here, instead of printing it."),
    ] = None,
    run: Annotated[bool, typer.Option("--run", help="Run the plan, too.")] = False,
    pictures: Annotated[
        Path | None,
        typer.Option(
            "--pictures", metavar="DIR", help="Where the picture goes \\[default: beside the plan]."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="DIR", help="Write pages about the composition, and the run, here."),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", metavar="FILE", help="Write what was done, step by step, as JSON."),
    ] = None,
    budget: Annotated[
        list[str] | None,
        typer.Option("--budget", metavar="2s|KEY=VALUE", help="The latency, or another limit of a budget."),
    ] = None,
    use: Annotated[str | None, typer.Option("--use", help="personal or commercial.")] = None,
    rating: Annotated[str | None, typer.Option("--rating", help="general, mature or any.")] = None,
    policy: Annotated[
        list[str] | None, typer.Option("--policy", metavar="KEY=VALUE", help="Another entry of the policy.")
    ] = None,
    family: Annotated[str | None, typer.Option("--family", help="Of the base: sd1, …")] = None,
    base: Annotated[
        str | None, typer.Option("--base", metavar="ID", help="The checkpoint to start from.")
    ] = None,
    wanted: Annotated[
        list[str] | None, typer.Option("--with", metavar="ID", help="An expert that has to be in the plan.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", metavar="ID", help="An expert that must not be.")
    ] = None,
    most: Annotated[int, typer.Option("--most", min=0, max=16, help="Experts besides the base.")] = 5,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the noise.")] = 0,
    size: Annotated[
        str | None, typer.Option("--size", metavar="WxH", help="Of the picture \\[default: the base's own].")
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Steps of denoising \\[default: the base's own].")
    ] = None,
    nearest: Annotated[
        bool, typer.Option("--nearest", help="Take the nearest plan where the request cannot be met.")
    ] = False,
    backend: Annotated[
        Backend | None,
        typer.Option(
            "--backend", help="Who writes the plan \\[default: the project's settings, else offline]."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="A model's name, or the folder of a local one.")
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", metavar="URL", help="An endpoint that speaks OpenAI's protocol."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit-tokens", metavar="N", min=0, help="Spend no more tokens on a model."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Go on without asking, whatever it costs.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the plan's file.")] = False,
    catalog: Annotated[Path | None, CATALOG] = None,
    device: Annotated[str | None, DEVICE] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Write a plan for a request in plain words: 0 met, 1 it cannot be met as asked, 2 it could not be tried.

    Experts are looked for in the catalog, weighed, and put into a plan that compiles within the policy and the budget.
    Without a model's endpoint nothing leaves this machine.
    """
    import sys

    from mosaic.agent.asking import entry, request_of
    from mosaic.agent.session import Asked
    from mosaic.api.faults import UsageError
    from mosaic.cli.composing import Wishes, ask, deliver, say, working

    text = sys.stdin.read() if request == "-" else request
    entries = dict(entry(each, "--policy") for each in policy or ())
    entries |= {key: value for key, value in (("use", use), ("rating", rating)) if value is not None}
    limits = dict(entry(each if "=" in each else f"latency={each}", "--budget") for each in budget or ())
    wish = request_of(
        text,
        policy=entries,
        budget=limits,
        family=family,
        base=base,
        wanted=wanted or (),
        without=without or (),
        most=most,
        name=output.name if output is not None else "picture",
        seed=seed,
        size=size,
        steps=steps,
    )
    if pictures is not None and not run:
        raise UsageError("pictures are made by --run", "--pictures")
    asked = Asked(
        wish, output, force, catalog, device, backend and backend.value, model, base_url, limit, yes
    )
    with working() as tell:
        person = sys.stdin.isatty() and sys.stderr.isatty()
        trace_ = asked.compose(tell, ask if person else None, say)
    deliver(asked, trace_, Wishes(nearest, run, pictures, report, trace, json_output))
