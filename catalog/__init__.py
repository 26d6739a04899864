"""The catalog: what is known of experts and files without reading a weight."""

from __future__ import annotations

from mosaic.catalog.experts import LocalExperts
from mosaic.catalog.files import LocalFiles
from mosaic.catalog.index import locate

__all__ = ["LocalExperts", "LocalFiles", "locate"]
