"""Licences as people write them, brought to the spelling that rules compare."""

from __future__ import annotations


def licence(text: str) -> str:
    """An SPDX expression for a licence's usual names, or the text itself where it is not known."""
    from mosaic.catalog.licences import normal  # its tables are large, and most files name no licence

    return normal(text) or text
