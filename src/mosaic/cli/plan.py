"""`mosaic plan`: what would run, without running it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mosaic.cli.console import guarded
from mosaic.cli.options import BATCH, CACHE, CATALOG, DEVICE, FROZEN, LOCKED, OFFLOAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.api.kept import Kept, Known
    from mosaic.compiler import Compiled
    from mosaic.compiler.context import Context
    from mosaic.compiler.cost.profile import Profile
    from mosaic.compiler.program import Program


class Stage(StrEnum):
    """What to print instead of the table."""

    IR = "ir"


@guarded
def plan(
    path: Annotated[str, typer.Argument(metavar="FILE", help="A plan, or - for standard input.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Write the program here, to be run later as it is."
        ),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the program as JSON.")] = False,
    emit: Annotated[
        Stage | None, typer.Option("--emit", help="Print the graph that the program was made from.")
    ] = None,
    after: Annotated[
        str, typer.Option("--after", metavar="PASS", help="With --emit ir: the graph as this pass leaves it.")
    ] = "",
    why: Annotated[
        str,
        typer.Option(
            "--why", metavar="VALUE", help="Say why a value (%3) or a name of the plan is computed."
        ),
    ] = "",
    catalog: Annotated[Path | None, CATALOG] = None,
    device: Annotated[str | None, DEVICE] = None,
    locked: Annotated[bool, LOCKED] = False,
    frozen: Annotated[bool, FROZEN] = False,
    name: Annotated[
        str, typer.Option("--plan", metavar="NAME", help="One plan of a file that holds several.")
    ] = "",
    offload: Annotated[bool, OFFLOAD] = False,
    batch: Annotated[int | None, BATCH] = None,
    cache: Annotated[Path | None, CACHE] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Do not ask what is cached.")] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Give a parameter another value.")
    ] = None,
) -> None:
    """Compile plans and show what would run: experts, steps, choices, digest."""
    from mosaic.api import session
    from mosaic.api.opening import manner, open_project
    from mosaic.api.plans import ALTERNATIVES
    from mosaic.api.selecting import quiet, settings_of
    from mosaic.api.sources import read_one
    from mosaic.api.sweep import sweep
    from mosaic.cli import console
    from mosaic.compiler.diagnostic import MosaicError
    from mosaic.compiler.errors.face import SeveralPlans
    from mosaic.compiler.ir.text import print_graph
    from mosaic.runtime.writing import write

    source = read_one(path)
    wanted = sweep(settings or (), session.parameters(source))
    if wanted.open_axes:
        raise typer.BadParameter("one value each; sweeps are for `mosaic run`", param_hint="--set")
    (cell,) = wanted
    told, said = manner(offload, batch), settings_of(path)
    with open_project(
        said.catalog_for(catalog),
        locked=locked,
        frozen=frozen,
        device=said.device_for(device),
        manner=told,
        fits=True,
    ) as project:
        compiled = project.compile(
            source, plan=name or None, parameters=cell.parameters, alternatives=ALTERNATIVES
        )
        programs = compiled.programs
        if (output or json_output or why) and len(programs) != 1:
            raise MosaicError(SeveralPlans(None, path, tuple(program.source.plan for program in programs)))
        console.show(quiet(compiled.diagnostics, said, source.name), to_stderr=True)
        if output:
            write(output, programs[0].to_json())
        context = project.context(source)
        if emit is Stage.IR and not (after or why):
            typer.echo("\n".join(print_graph(graph) for graph in compiled.graphs), nl=False)
            return
        asked = not no_cache and batch is None and not after
        kept = _kept(cache, programs, context) if asked else None
        if after or why:
            from mosaic.cli.why import answer

            known = kept.of(0) if kept is not None else None
            typer.echo(
                answer(source, context, compiled, cell.parameters, after=after, why=why, known=known),
                nl=False,
            )
            return
    if json_output:
        console.print_json(_document(compiled, context.profile, kept.of(0) if kept is not None else None))
        return
    from mosaic.cli.table import table

    shown = (
        table(program, compiled, graph, context.profile, kept.of(number) if kept is not None else None)
        for number, (program, graph) in enumerate(zip(programs, compiled.graphs, strict=True))
    )
    typer.echo("\n".join(shown), nl=False)
    if output:
        typer.echo(f"\nwritten to {output}; run it with: mosaic run {output}")


def _kept(cache: Path | None, programs: Sequence[Program], context: Context) -> Kept | None:
    """What is cached of the programs; None where they are priced for some other device than this machine's."""
    from mosaic.api.kept import ask
    from mosaic.caches import open_cache

    if context.profile is not None and context.profile.is_estimate:
        return None
    return ask(open_cache(cache), programs, context.operators, context.profile)


def _document(compiled: Compiled, profile: Profile | None, known: Known | None) -> dict[str, Any]:
    """The JSON shape that docs/json.md describes, of the one plan."""
    from mosaic.cli.predicted import as_json, ranges_as_json

    (program,) = compiled.programs
    plan = program.source.plan
    return {
        "version": 1,
        "program": program.model_dump(mode="json"),
        "digest": program.digest,
        "choices": [
            {"operator": choice.operator, "operands": list(choice.operands), "reason": choice.reason}
            for choice in compiled.choices[plan]
        ],
        "steps": ranges_as_json(compiled.steps[plan]),
        "finds": [
            {
                "kind": find.kind,
                "words": find.words,
                "chosen": find.chosen,
                "reason": find.reason,
                "others": list(find.others),
                "refused": list(find.refused),
            }
            for find in compiled.finds[plan]
        ],
        "predicted": as_json(compiled.decisions.get(plan), profile, compiled.choices[plan], known),
        "cache": known.document() if known is not None else None,
    }
