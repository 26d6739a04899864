"""`mosaic bridge`: maps from one latent space into another."""

from __future__ import annotations

import typer

from mosaic.cli.bridge import fit, listing

app = typer.Typer(
    name="bridge",
    help="Maps from one latent space into another: fit them, see which there are.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("fit")(fit.fit)
app.command("list")(listing.list_)
