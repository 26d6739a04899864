"""Options that several of the catalog's commands share."""

from __future__ import annotations

from enum import StrEnum

import typer

from mosaic.cli.options import CATALOG

__all__ = ["CATALOG", "FAMILY", "JSON", "KIND", "LICENSE", "TRIGGER", "KindName"]


class KindName(StrEnum):
    """The kinds of experts, as an option takes them."""

    CHECKPOINT = "checkpoint"
    LORA = "lora"
    EMBEDDING = "embedding"
    CONTROL = "control"
    VAE = "vae"
    BRIDGE = "bridge"


JSON = typer.Option("--json", help="Print it as JSON.")
KIND = typer.Option("--kind", help="Only experts of a kind.")
FAMILY = typer.Option("--family", help="Only experts of a family.")
LICENSE = typer.Option("--license", metavar="ID", help="Only experts under a licence, Apache-2.0 for one.")
TRIGGER = typer.Option("--trigger", metavar="WORDS", help="Only experts that these words call.")
