"""`mosaic recover`: the plan back out of a picture."""

from __future__ import annotations

from typing import Annotated

import typer

from mosaic.cli.console import guarded


@guarded
def recover(
    path: Annotated[
        str, typer.Argument(metavar="FILE", help="A picture (.png) or .safetensors that mosaic wrote.")
    ],
    json_output: Annotated[
        bool, typer.Option("--json", help="Print digest, parameters and experts too, as JSON.")
    ] = False,
) -> None:
    """Print the plan that a picture, latent or model was made from."""
    from mosaic.api.plans import recover as read
    from mosaic.cli import console

    found = read(path)
    if not json_output:
        typer.echo(found.plan, nl=not found.plan.endswith("\n"))
        return
    console.print_json(
        {
            "version": console.JSON_VERSION,
            "plan": found.plan,
            "plan_name": found.plan_name,
            "source": found.source,
            "digest": found.digest,
            "parameters": dict(found.parameters),
            "experts": [dict(expert) for expert in found.experts],
            "libraries": dict(found.libraries),
            "mosaic": found.version,
        }
    )
