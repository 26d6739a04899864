"""`mosaic plan`: what would run, without running it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mosaic.cli.console import guarded

if TYPE_CHECKING:
    from mosaic.compiler.program import Program


@guarded
def plan(
    path: Annotated[str, typer.Argument(metavar="FILE", help="A plan, or - for standard input.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the program here (plan.program.json).")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the program as JSON.")] = False,
    emit: Annotated[
        str, typer.Option("--emit", metavar="ir", help="Print the graph the program was made from: ir.")
    ] = "",
    name: Annotated[str, typer.Option("--plan", metavar="NAME", help="One plan of a file that holds several.")] = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Give a parameter another value.")
    ] = None,
) -> None:
    """Compile plans and show what would run: experts, instructions, digest."""
    from mosaic.cli import console
    from mosaic.cli.sources import compiled, read_one
    from mosaic.cli.write import write_atomically
    from mosaic.compiler.diagnostic import MosaicError
    from mosaic.compiler.errors.face import SeveralPlans

    if emit not in ("", "ir"):
        raise typer.BadParameter(f"{emit!r} is none of: ir", param_hint="--emit")
    result = compiled(read_one(path), name or None, settings or ())
    programs = result.programs
    if (output or json_output) and len(programs) > 1:
        raise MosaicError(SeveralPlans(None, path, tuple(p.source.plan for p in programs)))
    if output:
        write_atomically(output, programs[0].to_json())
    if json_output:
        console.print_json(_document(result, programs[0]))
        return
    console.show(result.diagnostics, stream=None)
    for program, graph in zip(programs, result.graphs, strict=True):
        typer.echo(graph_text(graph) if emit else table(program))
    if output:
        typer.echo(f"written to {output}")


def _document(result: Any, program: Program) -> dict[str, Any]:
    return {
        "version": 1,
        "program": program.model_dump(mode="json"),
        "digest": program.digest,
        "choices": list(result.choices),
        "predicted": None,
    }
