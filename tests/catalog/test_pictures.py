"""Sizes read from headers equal those that Pillow reads."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mosaic.catalog.pictures import JPEG, PNG, pixels

FORMATS = [
    ("PNG", {}),
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("JPEG", {"exif": b"Exif\0\0" + bytes(2000)}),
]


@pytest.mark.parametrize(("format", "options"), FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (64, 48), (300, 7)])
def test_size(format: str, options: dict[str, object], size: tuple[int, int]) -> None:
    stream = io.BytesIO()
    Image.new("RGB", size, "red").save(stream, format, **options)
    assert pixels(stream) == size


@given(start=st.sampled_from([PNG, JPEG, JPEG + b"\xe0\0\x04ab\xff\xc0", b""]), rest=st.binary(max_size=60))
def test_damaged_headers(start: bytes, rest: bytes) -> None:
    found = pixels(io.BytesIO(start + rest))
    assert found is None or min(found) >= 0
