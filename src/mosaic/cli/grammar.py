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
) -> None:
    """Print the grammar."""
