"""A service for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mosaic.mcp.server import Service
from mosaic.mcp.workbench import Options


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With the experts that come with mosaic; nothing is cached."""
    with Service(Options(cache=tmp_path_factory.mktemp("cache"))) as made:
        yield made
