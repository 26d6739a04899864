"""Two pictures side by side: how far apart they are, and the picture that shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from mosaic.compiler.diagnostic import MosaicError
from mosaic.runtime.apart import compare, same_bytes, same_tensors


def picture(path: Path, pixels: np.ndarray, text: str = "") -> Path:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("plan", text)
    Image.fromarray(pixels.astype(np.uint8)).save(path, pnginfo=info)
    return path


def test_numbers_and_the_difference_picture(tmp_path: Path) -> None:
    before = np.full((8, 8, 3), 100)
    after = before.copy()
    after[2, 3] = (107, 100, 90)
    old, new = picture(tmp_path / "a.png", before), picture(tmp_path / "b.png", after)
    apart = compare(old, new, tmp_path / "out" / "p.beside.png")
    assert (apart.mean, apart.largest) == (pytest.approx(17 / 192), 10)
    assert apart.share == 1 / 64 and apart.factor == 16
    assert not apart.same_bytes and not apart.same_pixels
    shown = np.asarray(Image.open(tmp_path / "out" / "p.difference.png"))
    assert tuple(shown[2, 3]) == (7 * 16, 0, 10 * 16)
    assert shown.sum() == 17 * 16
    with Image.open(tmp_path / "out" / "p.beside.png") as sheet:
        assert sheet.width > 3 * 192


def test_equal_pixels_are_not_equal_bytes(tmp_path: Path) -> None:
    pixels = np.arange(192).reshape(8, 8, 3)
    old, new = picture(tmp_path / "a.png", pixels, "one"), picture(tmp_path / "b.png", pixels, "two")
    apart = compare(old, new, tmp_path / "p.beside.png")
    assert apart.same_pixels and not apart.same_bytes and apart.mean == 0
    assert compare(old, old, tmp_path / "p.beside.png").same_bytes


def test_pictures_of_two_sizes(tmp_path: Path) -> None:
    old = picture(tmp_path / "a.png", np.zeros((8, 8, 3)))
    new = picture(tmp_path / "b.png", np.zeros((8, 16, 3)))
    apart = compare(old, new, tmp_path / "p.beside.png")
    assert (apart.mean, apart.largest, apart.share, apart.factor) == (None, None, None, None)
    assert apart.sheet is not None and apart.sheet.is_file() and not apart.same_pixels


def test_tensors_whatever_else_is_said(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a", "b", "c")]
    for path, text, value in zip(files, ("one", "two", "two"), (1.0, 1.0, 2.0), strict=True):
        save_file({"latent": torch.full((2, 2), value)}, path, {"plan": text})
    assert same_tensors(files[0], files[1]) and not same_bytes(files[0], files[1])
    assert not same_tensors(files[1], files[2])


def test_what_is_damaged(tmp_path: Path) -> None:
    whole = picture(tmp_path / "a.png", np.zeros((8, 8, 3)))
    broken = tmp_path / "b.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(MosaicError, match="M856"):
        compare(whole, broken, tmp_path / "p.beside.png")
    with pytest.raises(MosaicError, match="M856"):
        same_tensors(broken, broken)
