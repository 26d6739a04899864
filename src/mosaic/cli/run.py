"""`mosaic run`: from a plan, or a compiled program, to files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mosaic.cli.console import guarded
from mosaic.cli.options import CACHE, CATALOG, FROZEN, LOCKED, OFFLOAD


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
    from mosaic.api.opening import manner, open_project
    from mosaic.api.selecting import quiet, settings_of
    from mosaic.caches import open_cache
    from mosaic.cli import console
    from mosaic.cli.progress import progress
    from mosaic.compiler.diagnostic import MosaicError
    from mosaic.compiler.errors.face import CacheUnusable, NotToTheBit
    from mosaic.project import engine

    if path.endswith(session.PROGRAM) and (locked or frozen):
        raise typer.BadParameter("a compiled program is closed: it needs no lock")
    if no_cache and cache is not None:
        raise typer.BadParameter("--cache says where to keep results, --no-cache not to: one of them")
    if strict and batch is not None:
        raise MosaicError(NotToTheBit(None, f"--batch {batch}"))
    said = settings_of(path)
    catalog = said.catalog_for(catalog)
    with open_project(catalog, locked=locked, frozen=frozen) as project:
        jobs = session.jobs(project, path, name or None, settings or ())
    kept, told = None if no_cache else open_cache(cache), manner(offload, batch, len(jobs.jobs))
    with progress() as bars:
        worker = engine(
            device=device.value,
            dtype=dtype.value,
            progress=bars,
            beside=jobs.beside,
            cache=kept,
            batch=batch,
            offload=offload,
        )
        room = session.room(worker, jobs)
        if not session.fits(project, jobs, room, told):
            # Only now is it known what the device has. Perhaps other operators fit; else this says what would.
            with open_project(catalog, locked=locked, frozen=frozen, manner=told, room=room) as project:
                jobs = session.jobs(project, path, name or None, settings or (), jobs.source)
        console.show(quiet(jobs.notes, said, path), to_stderr=True)
        session.at_hand(jobs)
        outcome = session.work(worker, jobs, output, report)
    if kept is not None and kept.trouble is not None:
        console.show((CacheUnusable(None, str(kept.folder), kept.trouble),), to_stderr=True)
    if json_output:
        console.print_json(outcome.document())
        return
    for line in outcome.lines():
        typer.echo(line)
