"""`mosaic watch`: check plans, and run them, again whenever something changes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mosaic.cli.console import guarded
from mosaic.cli.options import CATALOG, DEVICE


@guarded
def watch(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Plans, or folders of plans.")],
    rerun: Annotated[
        bool, typer.Option("--run", help="Run what changed, too, and show it on a page.")
    ] = False,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Where emitted files go.")
    ] = Path("."),
    port: Annotated[
        int,
        typer.Option("--port", metavar="N", min=0, max=65535, help="Where the page is; 0: any that is free."),
    ] = 0,
    page: Annotated[bool, typer.Option("--page/--no-page", help="Whether --run serves a page.")] = True,
    catalog: Annotated[Path | None, CATALOG] = None,
    device: Annotated[str | None, DEVICE] = None,
) -> None:
    """Check plans whenever they, or what they are made of, change. Ends when interrupted."""
    from mosaic.api.faults import UsageError
    from mosaic.api.sources import STDIN
    from mosaic.api.workers import World
    from mosaic.cli.console import colored
    from mosaic.live.loop import Loop, Watch
    from mosaic.live.page import Page

    if STDIN in paths:
        raise UsageError("standard input cannot be watched")
    try:
        served = Page(port) if rerun and page else None
    except OSError as error:
        raise UsageError(f"{port}: {error.strerror}", "--port") from None

    def say(text: str) -> None:
        print(text, flush=True)

    if served is not None:
        say(f"page: {served.url}")
    try:
        where = output if rerun else None
        Loop(Watch(paths, World(catalog, device), say, where, served, colored(sys.stdout))).forever()
    finally:
        if served is not None:
            served.close()
