"""`mosaic bridge list`: the registered bridges, a line each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mosaic.cli.console import guarded
from mosaic.cli.options import CATALOG

if TYPE_CHECKING:
    from mosaic.compiler.facts import ExpertFacts

HEADER = ("id", "from", "to", "form", "R²", "there and back", "pictures", "licence")


@guarded
def list_(
    catalog: Annotated[Path | None, CATALOG] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """List the bridges between latent spaces that `align` can use: those of the catalog and those that are shipped."""
    from mosaic.cli import console
    from mosaic.cli.catalog.texts import counted, table
    from mosaic.compiler.diagnostic import Diagnostic
    from mosaic.compiler.source import SourceFile
    from mosaic.compiler.types import Kind
    from mosaic.project import Project

    source = SourceFile("<bridges>", "")
    with Project(catalog) as project:
        experts = project.context(source).experts
        resolved = [experts.resolve(Kind.BRIDGE, id, source.span(0, 0)) for id in experts.names(Kind.BRIDGE)]
    known = [facts for facts in resolved if not isinstance(facts, Diagnostic)]
    if json_output:
        console.print_json(
            {"version": console.JSON_VERSION, "bridges": [_document(facts) for facts in known]}
        )
        return
    if known:
        typer.echo("\n".join(table(HEADER, [_cells(facts) for facts in known])))
        typer.echo("")
    typer.echo(f"{counted(len(known), 'bridge')}; make one: mosaic bridge fit --help")


def _cells(facts: ExpertFacts) -> tuple[str, ...]:
    from mosaic.cli.catalog.texts import plain

    bridge = facts.bridge
    assert bridge is not None, "a bridge says where it leads"
    return (
        plain(facts.id, 100),
        plain(bridge.source, 60),
        plain(bridge.target, 60),
        bridge.form,
        _figure(bridge.r2),
        _figure(bridge.round_trip),
        f"{bridge.psnr:.1f} dB" if bridge.psnr is not None else "?",
        plain(facts.license or "?", 40),
    )


def _figure(value: float | None) -> str:
    return "?" if value is None else f"{value:.3f}"


def _document(facts: ExpertFacts) -> dict[str, Any]:
    bridge = facts.bridge
    assert bridge is not None, "a bridge says where it leads"
    return {
        "id": facts.id,
        "source": bridge.source,
        "target": bridge.target,
        "form": bridge.form,
        "r2": bridge.r2,
        "round_trip": bridge.round_trip,
        "psnr": bridge.psnr,
        "license": facts.license,
    }
