"""The commands put together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mosaic.cli import (
    bench,
    bridge,
    cache,
    calibrate,
    catalog,
    check,
    compose,
    diff,
    explain,
    fmt,
    grammar,
    graph,
    lint,
    lock,
    mcp,
    new,
    plan,
    recover,
    run,
    schema,
    verify,
    watch,
)

app = typer.Typer(
    name="mosaic",
    help="Compile and run plans that compose many expert image models.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("new")(new.new)
app.command("compose")(compose.compose)
app.command("check")(check.check)
app.command("fmt")(fmt.fmt)
app.command("lint")(lint.lint)
app.command("diff")(diff.diff)
app.command("plan")(plan.plan)
app.command("graph")(graph.graph)
app.command("run")(run.run)
app.command("watch")(watch.watch)
app.command("lock")(lock.lock)
app.command("verify")(verify.verify)
app.command("mcp")(mcp.mcp)
app.command("explain")(explain.explain)
app.command("grammar")(grammar.grammar)
app.command("schema")(schema.schema)
app.command("recover")(recover.recover)
app.command("calibrate")(calibrate.calibrate)
app.add_typer(catalog.app)
app.add_typer(bench.app)
app.add_typer(bridge.app)
app.add_typer(cache.app)


def _version(asked: bool) -> None:
    if not asked:
        return
    from mosaic import __version__

    typer.echo(f"mosaic {__version__}")
    raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Compile and run plans that compose many expert image models."""
    if context.invoked_subcommand is None:
        typer.echo(_next_steps())


_FIRST_PLAN = """\
mosaic 1

plan first {
  let base  = checkpoint("zoo/base")
  let neon  = lora("zoo/neon")
  let image = sample(fuse(base, neon * 0.8), prompt: "a red cat, night background, {neon}", seed: 7)
  emit image as "first.png"
}
"""


def _next_steps() -> str:
    here = sorted(Path().glob("*.mosaic")) or sorted(Path().glob("*/*.mosaic"))
    if here:
        name = str(here[0])
        opening = f"There are plans here, {name} for one."
    else:
        name = "first.mosaic"
        opening = f"A plan to begin with; save it as {name}:\n\n{_FIRST_PLAN}"
    steps = (
        (f"mosaic check {name}", "say what is wrong with it, if anything"),
        (f"mosaic plan {name}", "show what would run"),
        (f"mosaic run {name} --report report", "make the picture, and a page about how it was made"),
        ('mosaic compose "a red cat in the snow"', "write a plan from words"),
        ("mosaic explain fuse", "read about a verb, an operator or a diagnostic's code"),
        ("mosaic --help", "every command"),
    )
    width = max(len(command) for command, _ in steps)
    lines = [f"  {command:<{width}}  {what}" for command, what in steps]
    return "\n".join(["mosaic composes many expert image models by a plan.", "", opening, "", *lines])
