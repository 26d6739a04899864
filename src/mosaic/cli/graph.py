"""`mosaic graph`: compiled plans as a drawing."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from mosaic.cli.console import guarded
from mosaic.cli.options import CACHE, CATALOG, DEVICE, FROZEN, LOCKED


class Format(StrEnum):
    """What to write."""

    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"
    HTML = "html"


class Color(StrEnum):
    """What colours say."""

    COST = "cost"
    SOURCE = "source"


_SUFFIXES: Final = {
    ".mmd": Format.MERMAID,
    ".mermaid": Format.MERMAID,
    ".dot": Format.DOT,
    ".gv": Format.DOT,
    ".svg": Format.SVG,
    ".html": Format.HTML,
    ".htm": Format.HTML,
}


@guarded
def graph(
    path: Annotated[str, typer.Argument(metavar="FILE", help="A plan, or - for standard input.")],
    name: Annotated[
        str, typer.Option("--plan", metavar="NAME", help="One plan of a file that holds several.")
    ] = "",
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="What to write \\[default: by the file's name, else mermaid].",
            show_default=False,
        ),
    ] = None,
    color: Annotated[
        Color,
        typer.Option("--color", help="Colour by predicted seconds, or by cached, shared and computed."),
    ] = Color.COST,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write here (.svg, .html, .dot, .mmd)."),
    ] = None,
    catalog: Annotated[Path | None, CATALOG] = None,
    device: Annotated[str | None, DEVICE] = None,
    locked: Annotated[bool, LOCKED] = False,
    frozen: Annotated[bool, FROZEN] = False,
    cache: Annotated[Path | None, CACHE] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Give a parameter another value.")
    ] = None,
) -> None:
    """Draw what would run: as Mermaid, DOT, SVG or a page to look around in."""
    from mosaic.api import session
    from mosaic.api.graphing import RENDER, draw
    from mosaic.api.selecting import quiet, settings_of
    from mosaic.api.sources import read_one
    from mosaic.api.sweep import sweep
    from mosaic.cli import console
    from mosaic.compiler.diagrams import model
    from mosaic.runtime.writing import write

    chosen = format_ or _by_name(output)
    source = read_one(path)
    wanted = sweep(settings or (), session.parameters(source))
    if wanted.open_axes:
        raise typer.BadParameter("one value each; sweeps are for `mosaic run`", param_hint="--set")
    (cell,) = wanted
    drawing, diagnostics = draw(
        source,
        model.Color(color.value),
        only=name or None,
        parameters=cell.parameters,
        catalog=catalog,
        device=device,
        locked=locked,
        frozen=frozen,
        cache=cache,
    )
    console.show(quiet(diagnostics, settings_of(path), source.name), to_stderr=True)
    text = RENDER[chosen.value](drawing)
    if output is None:
        typer.echo(text, nl=False)
    else:
        write(output, text.encode("utf-8"))


def _by_name(output: Path | None) -> Format:
    if output is None:
        return Format.MERMAID
    found = _SUFFIXES.get(output.suffix.lower())
    if found is None:
        raise typer.BadParameter(
            f"{output.name} could be any of {', '.join(Format)}; --format says which", param_hint="-o"
        )
    return found
