"""Licences: what a machine can tell of them (`table.toml`), and free text brought to the ids that the table has."""

from __future__ import annotations

from mosaic.catalog.licences.table import LicenceTable


def normal(text: str) -> str | None:
    """The SPDX expression that a licence's usual name means; None for what names no licence ("other", a sentence).

    >>> normal("creativeml-openrail-m")
    'LicenseRef-scancode-stable-diffusion-2022-08-22'
    >>> normal("Apache 2.0 or mit")
    'Apache-2.0 OR MIT'
    >>> normal("other") is None
    True
    """
    from mosaic.catalog.licences.text import normal as read

    return read(text)


__all__ = ["LicenceTable", "normal"]
