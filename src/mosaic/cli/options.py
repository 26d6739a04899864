"""Options that several commands share."""

from __future__ import annotations

import typer

CATALOG = typer.Option(
    "--catalog",
    metavar="PATH",
    help="A catalog's file or a snapshot's folder [default: $MOSAIC_CATALOG, else the user's own].",
    show_default=False,
)

LOCKED = typer.Option("--locked", help="Fail if mosaic.lock would change.")

FROZEN = typer.Option("--frozen", help="Compile from mosaic.lock as it is; no catalog is needed.")

CACHE = typer.Option(
    "--cache",
    metavar="DIR",
    help="Where results are kept for later runs [default: $MOSAIC_CACHE, else the user's own].",
    show_default=False,
)
