"""A service for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mosaic.mcp.server import Service


@pytest.fixture
def service() -> Iterator[Service]:
    """With the experts that come with mosaic."""
    with Service() as made:
        yield made
