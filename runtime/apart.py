"""Two pictures side by side, with their difference made visible, and how far apart they are in numbers."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import UnreadablePicture
from mosaic.runtime.sheet import Tile, write_sheet
from mosaic.runtime.writing import write

_FACTORS: Final = (64, 32, 16, 8, 4, 2, 1)
_LEVELS: Final = 255
_PIECE: Final = 1 << 20


@dataclass(frozen=True)
class Apart:
    """How far two pictures are apart, in levels of 0 to 255 over all pixels and channels: the mean absolute difference
    and the largest one; `share` is that of the pixels that differ. `same_bytes` says that the files are equal, which
    says more than equal pixels: they carry equal plans too. `factor` is by how much the difference picture is
    amplified, `sheet` where it lies; both None where the sizes differ."""

    mean: float | None
    largest: int | None
    share: float | None
    same_bytes: bool
    factor: int | None = None
    sheet: Path | None = None

    @property
    def same_pixels(self) -> bool:
        """Whether both show the same."""
        return self.largest == 0


def compare(old: Path, new: Path, sheet: Path) -> Apart:
    """Compare two pictures and write both, with their difference, to `sheet`.

    The difference is of absolute values, black where there is none, and amplified by the largest power of two, at most
    64, by which no channel is cut off. Pictures of two sizes have no difference. Raises MosaicError: M855 where the
    sheet cannot be written, M856 where a picture cannot be read.
    """
    before, after = _pixels(old), _pixels(new)
    same = old.read_bytes() == new.read_bytes()
    tiles = [Tile({"": "before"}, old), Tile({"": "after"}, new)]
    if before.shape != after.shape:
        write_sheet(tiles, sheet)
        return Apart(None, None, None, same, sheet=sheet)
    apart = np.abs(before.astype(np.int16) - after.astype(np.int16))
    largest = int(apart.max())
    factor = next(each for each in _FACTORS if each * largest <= _LEVELS)
    amplified = (apart * factor).astype(np.uint8)
    difference = sheet.with_name(f"{sheet.stem.removesuffix('.beside')}.difference.png")
    _save(amplified, difference)
    shown = "no difference" if not largest else f"difference × {factor}" if factor > 1 else "difference"
    write_sheet([*tiles, Tile({"": shown}, difference)], sheet)
    share = float((apart.max(axis=2) > 0).mean())
    return Apart(float(apart.mean()), largest, share, same, factor, sheet)


def same_bytes(old: Path, new: Path) -> bool:
    """Whether two files, of whatever size, are equal."""
    return _digest(old) == _digest(new)


def same_tensors(old: Path, new: Path) -> bool:
    """Whether two safetensors files hold the same tensors, whatever else they say: they carry the plans that made
    them. Raises MosaicError (M856)."""
    return _tensors(old) == _tensors(new)


def _tensors(path: Path) -> str:
    """Over the header without its metadata, and all bytes behind it."""
    try:
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            if size > path.stat().st_size:
                raise ValueError("a header larger than its file")
            header = json.loads(stream.read(size))
            header.pop("__metadata__", None)
            digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
            while piece := stream.read(_PIECE):
                digest.update(piece)
    except (OSError, ValueError, OverflowError) as error:
        raise MosaicError(UnreadablePicture(span=None, path=str(path), reason="it is damaged")) from error
    return digest.hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _pixels(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Height, width and three channels."""
    try:
        with Image.open(path) as opened:
            return np.asarray(opened.convert("RGB"))
    except (UnidentifiedImageError, SyntaxError, ValueError, OSError) as error:
        raise MosaicError(UnreadablePicture(span=None, path=str(path), reason="it is damaged")) from error


def _save(pixels: np.ndarray[Any, np.dtype[np.uint8]], path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    write(path, stream.getvalue())
