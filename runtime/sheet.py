"""Contact sheets: the pictures of a sweep in one, with labelled axes."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import UnreadablePicture
from mosaic.runtime.writing import write

_SMALLEST, _LARGEST = 192, 512
"""Pixels of a picture's longer side on the sheet: smaller ones are enlarged, larger ones reduced."""

_TEXT, _LINE, _GAP, _EDGE = 16, 21, 10, 22
_MOST_IN_A_ROW = 8
_LINES = 3
_PAPER, _INK, _FAINT = (250, 250, 248), (28, 28, 30), (120, 120, 126)


@dataclass(frozen=True)
class Tile:
    """A picture and the value of each swept parameter that made it, in the order of the axes."""

    labels: Mapping[str, str]
    path: Path


def write_sheet(tiles: Sequence[Tile], path: Path) -> Path:
    """Write a PNG that shows all tiles and return its path.

    One axis makes a row, two a grid (the first axis downwards, the second across), more a grid of captioned
    pictures. Tiny pictures are enlarged without smoothing. Raises MosaicError: M855 where the sheet cannot be
    written, M856 where a picture cannot be read, and ValueError without tiles.
    """
    if not tiles:
        raise ValueError("a sheet needs at least one picture")
    stream = io.BytesIO()
    _draw(tiles).save(stream, "PNG")
    write(path, stream.getvalue())
    return path


def _draw(tiles: Sequence[Tile]) -> Image.Image:
    names = list(dict.fromkeys(name for tile in tiles for name in tile.labels))
    values = {name: list(dict.fromkeys(tile.labels.get(name, "") for tile in tiles)) for name in names}
    pictures = [_fitted(tile.path) for tile in tiles]
    if len(names) == 2 and len(values[names[1]]) <= _MOST_IN_A_ROW * 2:
        return _grid(tiles, pictures, names, values)
    return _captioned(tiles, pictures, names)


def _grid(
    tiles: Sequence[Tile],
    pictures: Sequence[Image.Image],
    names: Sequence[str],
    values: Mapping[str, Sequence[str]],
) -> Image.Image:
    """Rows and columns with headers."""
    down, across = names
    width, height = _cell(pictures)
    heads = [_wrapped(value, width) for value in values[across]]
    sides = [_wrapped(value, width) for value in values[down]]
    left = max(_width(line) for lines in [*sides, [down]] for line in lines) + 2 * _GAP
    top = _EDGE + _LINE + max(map(len, heads)) * _LINE + _GAP
    sheet = Image.new(
        "RGB",
        (
            _EDGE + left + len(heads) * (width + _GAP) - _GAP + _EDGE,
            top + len(sides) * (height + _GAP) - _GAP + _EDGE,
        ),
        _PAPER,
    )
    draw = ImageDraw.Draw(sheet)
    start = _EDGE + left
    middle = start + (len(heads) * (width + _GAP) - _GAP) // 2
    _write(draw, middle, _EDGE, [across], centred=True, ink=_FAINT)
    _write(draw, _EDGE, top - _LINE - _GAP // 2, [down], ink=_FAINT)
    for column, lines in enumerate(heads):
        centre = start + column * (width + _GAP) + width // 2
        _write(draw, centre, top - _GAP // 2 - len(lines) * _LINE, lines, centred=True)
    for row, lines in enumerate(sides):
        middle = top + row * (height + _GAP) + height // 2
        _write(draw, _EDGE, middle - len(lines) * _LINE // 2, lines)
    for tile, picture in zip(tiles, pictures, strict=True):
        column = values[across].index(tile.labels.get(across, ""))
        row = values[down].index(tile.labels.get(down, ""))
        _place(sheet, picture, start + column * (width + _GAP), top + row * (height + _GAP), width, height)
    return sheet


def _captioned(tiles: Sequence[Tile], pictures: Sequence[Image.Image], names: Sequence[str]) -> Image.Image:
    """A row, or rows where there are many, with each picture's values under it."""
    width, height = _cell(pictures)
    captions = [_caption(tile, names, width) for tile in tiles]
    columns = len(tiles)
    if columns > _MOST_IN_A_ROW:
        columns = min(_MOST_IN_A_ROW, math.ceil(math.sqrt(columns * height / width)))
    rows = math.ceil(len(tiles) / columns)
    below = max(map(len, captions)) * _LINE + _GAP
    sheet = Image.new(
        "RGB",
        (
            2 * _EDGE + columns * (width + _GAP) - _GAP,
            2 * _EDGE + rows * (height + below + _GAP) - _GAP,
        ),
        _PAPER,
    )
    draw = ImageDraw.Draw(sheet)
    for number, (picture, lines) in enumerate(zip(pictures, captions, strict=True)):
        x = _EDGE + number % columns * (width + _GAP)
        y = _EDGE + number // columns * (height + below + _GAP)
        _place(sheet, picture, x, y, width, height)
        _write(draw, x + width // 2, y + height + _GAP // 2, lines, centred=True)
    return sheet


def _caption(tile: Tile, names: Sequence[str], width: int) -> list[str]:
    """A line for each parameter, or several for a single long one."""
    named = [_named(name, tile.labels[name]) for name in names if name in tile.labels]
    return _wrapped(named[0], width) if len(named) == 1 else [_cut(line, width) for line in named]


def _named(name: str, value: str) -> str:
    """A parameter without a name is a caption of its own."""
    return f"{name} = {value}" if name else value


def _cell(pictures: Sequence[Image.Image]) -> tuple[int, int]:
    return max(p.width for p in pictures), max(p.height for p in pictures)


def _place(sheet: Image.Image, picture: Image.Image, x: int, y: int, width: int, height: int) -> None:
    sheet.paste(picture, (x + (width - picture.width) // 2, y + (height - picture.height) // 2))


def _fitted(path: Path) -> Image.Image:
    """A picture at a legible size: enlarged by a whole factor, so that its pixels stay square and sharp."""
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except (UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MosaicError(UnreadablePicture(span=None, path=str(path), reason="it is damaged")) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise MosaicError(UnreadablePicture(span=None, path=str(path), reason=reason)) from error
    longest = max(picture.size)
    if longest < _SMALLEST:
        factor = math.ceil(_SMALLEST / longest)
        return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    if longest > _LARGEST:
        picture.thumbnail((_LARGEST, _LARGEST), Image.Resampling.LANCZOS)
    return picture


@cache
def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size=_TEXT)


def _width(line: str) -> int:
    return math.ceil(_font().getlength(line))


def _wrapped(text: str, width: int) -> list[str]:
    """Lines that fit a width; what does not fit in three lines ends in an ellipsis."""
    lines: list[str] = []
    for word in " ".join(text.split()).split(" "):
        if lines and _width(f"{lines[-1]} {word}") <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(_cut(word, width))
    if len(lines) <= _LINES:
        return lines
    return [*lines[: _LINES - 1], _cut(" ".join(lines[_LINES - 1 :]), width)]


def _cut(text: str, width: int) -> str:
    if _width(text) <= width:
        return text
    while text and _width(f"{text}…") > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _write(
    draw: ImageDraw.ImageDraw,
    x: int,
    y: int,
    lines: Sequence[str],
    *,
    centred: bool = False,
    ink: tuple[int, int, int] = _INK,
) -> None:
    for number, line in enumerate(lines):
        start = x - _width(line) // 2 if centred else x
        draw.text((start, y + number * _LINE), line, fill=ink, font=_font())
