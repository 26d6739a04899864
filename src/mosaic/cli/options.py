"""Options that several commands share."""

from __future__ import annotations

import typer

CATALOG = typer.Option(
    "--catalog",
    metavar="PATH",
    help="A catalog's file or a snapshot's folder \\[default: $MOSAIC_CATALOG, else the user's own].",
    show_default=False,
)

LOCKED = typer.Option("--locked", help="Fail if mosaic.lock would change.")

DEVICE = typer.Option(
    "--device",
    metavar="PROFILE",
    help="Judge budgets for this device: a profile's file, or a shipped estimate such as h100 "
    "\\[default: $MOSAIC_PROFILE, else what `mosaic calibrate` wrote].",
    show_default=False,
)

OFFLOAD = typer.Option(
    "--offload",
    help="Networks wait in main memory and are on the device one at a time: the same picture in less memory.",
)

BATCH = typer.Option(
    "--batch",
    metavar="N",
    min=1,
    help="The most rows in one call of a denoiser, as `mosaic run` is told.",
    show_default=False,
)

SELECT = typer.Option(
    "--select",
    metavar="CODES",
    help="Show only these warnings and notes (M430,M6); errors are always shown.",
    show_default=False,
)

IGNORE = typer.Option(
    "--ignore", metavar="CODES", help="Do not show these warnings and notes.", show_default=False
)

FROZEN = typer.Option("--frozen", help="Compile from mosaic.lock as it is; no catalog is needed.")

CACHE = typer.Option(
    "--cache",
    metavar="DIR",
    help="Where results are kept for later runs \\[default: $MOSAIC_CACHE, else the user's own].",
    show_default=False,
)
