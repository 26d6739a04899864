"""`mosaic grammar`: the language's grammar, for parsers and for constrained decoders."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from mosaic.cli.console import guarded


class Target(StrEnum):
    """Who is to read the grammar."""

    LARK = "lark"
    LLM = "llm"
    GBNF = "gbnf"


@guarded
def grammar(
    target: Annotated[
        Target,
        typer.Option(
            "--target",
            help="lark: as parsed; llm: canonical form with explicit white space, for constrained decoding; "
            "gbnf: the same for llama.cpp.",
        ),
    ] = Target.LARK,
    catalog: Annotated[
        bool, typer.Option("--catalog", help="Accept no other experts than those of the catalog (llm, gbnf).")
    ] = False,
) -> None:
    """Print the grammar."""
    if catalog and target is Target.LARK:
        raise typer.BadParameter(
            "the grammar as parsed knows no catalog; use llm or gbnf", param_hint="--catalog"
        )
    from mosaic.compiler.syntax.export import export

    typer.echo(export(target.value, _names() if catalog else None), nl=False)


def _names() -> dict[str, list[str]]:
    from mosaic.compiler.source import SourceFile
    from mosaic.compiler.types import EXPERTS
    from mosaic.project import Project

    with Project() as project:
        experts = project.context(SourceFile("<grammar>", "")).experts
        return {str(kind): list(experts.names(kind)) for kind in EXPERTS}
