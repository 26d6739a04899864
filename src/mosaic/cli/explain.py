"""`mosaic explain`: the manual pages of diagnostics, verbs and operators."""

from __future__ import annotations

from typing import Annotated

import typer

from mosaic.cli.console import guarded


@guarded
def explain(
    topic: Annotated[
        str, typer.Argument(help="A diagnostic's code (M302), a verb (fuse) or an operator (sum).")
    ] = "",
) -> None:
    """Print the manual page of a diagnostic, a verb or an operator; alone, list them all."""
    from mosaic.api.explaining import explain as page

    typer.echo(page(topic), nl=False)
