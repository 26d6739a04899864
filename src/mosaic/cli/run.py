"""`mosaic run`: from a plan, or a compiled program, to files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.console import guarded
from mosaic.cli.options import CACHE, CATALOG, FROZEN, LOCKED, OFFLOAD

if TYPE_CHECKING:
    from mosaic.compiler.diagnostic import Diagnostic
    from mosaic.project import Project


class Device(StrEnum):
    """Where to compute. `auto` takes the first of cuda, mps, cpu that is there."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


class Dtype(StrEnum):
    """In which precision networks compute. `auto` is float16 on cuda and float32 elsewhere."""

    AUTO = "auto"
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


@guarded
def run(
    path: Annotated[
        str, typer.Argument(metavar="FILE", help="A plan, a compiled .program.json, or - for standard input.")
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE[,VALUE...]",
            help="Give a parameter a value, several (cat,fox) or a range (1..8). "
            "Several options: the cross product.",
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Where emitted files go.")
    ] = Path("."),
    report: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="Write report.html and report.json here.")
    ] = None,
    catalog: Annotated[Path | None, CATALOG] = None,
    locked: Annotated[bool, LOCKED] = False,
    frozen: Annotated[bool, FROZEN] = False,
    name: Annotated[
        str, typer.Option("--plan", metavar="NAME", help="One plan of a file that holds several.")
    ] = "",
    device: Annotated[Device, typer.Option("--device", help="Where to compute.")] = Device.AUTO,
    dtype: Annotated[
        Dtype, typer.Option("--dtype", help="In which precision networks compute.")
    ] = Dtype.AUTO,
    cache: Annotated[Path | None, CACHE] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Compute everything anew, and keep nothing.")
    ] = False,
    batch: Annotated[
        int | None,
        typer.Option(
            "--batch",
            metavar="N",
            min=1,
            help="Let runs of one model (a sweep of seeds, say) denoise together, N rows in one call: faster, and the "
            "same only up to floating point. 1: one row at a time, with the least memory.",
            show_default=False,
        ),
    ] = None,
    offload: Annotated[bool, OFFLOAD] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse what is the same only up to floating point.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print what was emitted as JSON.")] = False,
) -> None:
    """Run plans and write what they emit. The same program gives the same bytes on the same machine."""
    from mosaic.api import session
    from mosaic.api.running import How, perform
    from mosaic.api.selecting import quiet, settings_of
    from mosaic.api.sources import read_one
    from mosaic.api.sweep import sweep
    from mosaic.caches import open_cache
    from mosaic.cli import console
    from mosaic.cli.progress import progress

    is_program = path.endswith(session.PROGRAM)
    if is_program and (locked or frozen):
        raise typer.BadParameter("a compiled program is closed: it needs no lock")
    if is_program and (settings or name):
        raise typer.BadParameter("a compiled program is closed: --set and --plan need the plan itself")
    if no_cache and cache is not None:
        raise typer.BadParameter("--cache says where to keep results, --no-cache not to: one of them")
    said = settings_of(path)
    kept = None if no_cache else open_cache(cache)
    where = said.catalog_for(catalog)
    how = How(device.value, dtype.value, where, locked, frozen, kept, batch, offload, strict)
    source = None if is_program else read_one(path)
    wanted = None if source is None else sweep(settings or (), session.parameters(source))

    def compiled(project: Project) -> session.Jobs:
        if source is None or wanted is None:
            return session.closed(path)
        return session.jobs(project, source, name or None, wanted)

    def tell(notes: tuple[Diagnostic, ...]) -> None:
        console.show(quiet(notes, said, path), to_stderr=True)

    with progress() as bars:
        outcome = perform(compiled, how, output, report, bars, tell)
    if json_output:
        console.print_json(outcome.document())
        return
    for line in outcome.lines():
        typer.echo(line)
