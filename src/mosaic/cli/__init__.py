"""The command line: one small file a command. Nothing heavy is imported before a command needs it."""

from __future__ import annotations


def main() -> None:
    """The entry point of the `mosaic` command."""
    from mosaic.cli.app import app

    app()
