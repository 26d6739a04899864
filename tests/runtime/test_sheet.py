"""Contact sheets."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mosaic.compiler.diagnostic import MosaicError
from mosaic.runtime.sheet import Tile, write_sheet

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255))


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(len(COLOURS))]
    for path, colour in zip(paths, COLOURS, strict=True):
        Image.new("RGB", (16, 8), colour).save(path)
    return paths


def centres(path: Path) -> list[tuple[float, float]]:
    """Where the block of each colour lies on a sheet, as (x, y), checking that it is whole."""
    with Image.open(path) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    found = []
    for colour in COLOURS:
        ys, xs = np.nonzero((pixels == colour).all(axis=2))
        # Enlarged by a whole factor to a legible size, nothing smoothed or covered.
        assert len(ys) == 192 * 96
        found.append((float(xs.mean()), float(ys.mean())))
    return found


def test_one_axis_is_a_row(pictures: list[Path], tmp_path: Path) -> None:
    tiles = [Tile({"seed": str(number)}, path) for number, path in enumerate(pictures)]
    found = centres(write_sheet(tiles, tmp_path / "sheet.png"))
    assert len({y for _, y in found}) == 1
    assert found == sorted(found)


def test_two_axes_are_a_grid(pictures: list[Path], tmp_path: Path) -> None:
    pairs = itertools.product(("by the river", "in the snow"), ("1", "2", "3"))
    tiles = [Tile({"who": w, "seed": s}, p) for (w, s), p in zip(pairs, pictures, strict=True)]
    found = centres(write_sheet(tiles, tmp_path / "sheet.png"))
    xs, ys = ({point[axis] for point in found} for axis in (0, 1))
    assert (len(xs), len(ys)) == (3, 2)
    # The last axis changes fastest and runs across.
    assert [y for _, y in found[:3]] == [min(ys)] * 3


def test_more_axes_are_captioned(pictures: list[Path], tmp_path: Path) -> None:
    tiles = [Tile({"a": str(n), "b": "x" * 99, "c": ""}, path) for n, path in enumerate(pictures)]
    assert len(centres(write_sheet(tiles, tmp_path / "sheet.png"))) == 6


def test_a_sheet_is_the_same_each_time(pictures: list[Path], tmp_path: Path) -> None:
    tiles = [Tile({"seed": str(number)}, path) for number, path in enumerate(pictures)]
    first, second = (write_sheet(tiles, tmp_path / name) for name in ("a.png", "b.png"))
    assert first.read_bytes() == second.read_bytes()


def test_labels_are_drawn(pictures: list[Path], tmp_path: Path) -> None:
    blank = write_sheet([Tile({"seed": " "}, pictures[0])], tmp_path / "blank.png")
    named = write_sheet([Tile({"seed": "12345"}, pictures[0])], tmp_path / "named.png")
    ink = [np.asarray(Image.open(path).convert("L"))[-50:].min(axis=0) < 100 for path in (blank, named)]
    assert ink[1].sum() > ink[0].sum() > 10


def test_large_pictures_are_reduced(tmp_path: Path) -> None:
    Image.new("RGB", (3000, 1000), "red").save(tmp_path / "large.png")
    sheet = write_sheet([Tile({"seed": "1"}, tmp_path / "large.png")], tmp_path / "sheet.png")
    with Image.open(sheet) as opened:
        assert opened.width < 600


def test_a_picture_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("no picture")
    with pytest.raises(MosaicError) as caught:
        write_sheet([Tile({"seed": "1"}, tmp_path / "x.png")], tmp_path / "sheet.png")
    assert caught.value.diagnostics[0].code == "M856"
    assert not (tmp_path / "sheet.png").exists()
