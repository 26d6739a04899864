"""Licences as people write them, brought to the spelling that rules compare."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec


def licence(text: str) -> str:
    """An SPDX expression for a licence's usual names, or the text itself where it is not known."""
    if find_spec("mosaic.catalog.licences") is None:
        return text
    return import_module("mosaic.catalog.licences").normal(text) or text
