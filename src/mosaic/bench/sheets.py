"""Contact sheets: the same sets by every scheme, one under the other, with what the checker missed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from mosaic.bench.composition import draw, readings
from mosaic.bench.schemes import find
from mosaic.stdlib.zoo.sets import CompositionSet, composition_sets, met

ZOOM, GAP, LABEL, LINE = 2, 4, 150, 11


def chosen(count: int, size: int, columns: int) -> list[CompositionSet]:
    """Some sets of a size, spread over all of them."""
    sized = [each for each in composition_sets(count) if len(each.experts) == size]
    return sized[:: max(1, len(sized) // columns)][:columns]


def sheet(schemes: Sequence[str], sets: Sequence[CompositionSet], seed: int) -> Image.Image:
    """One row a scheme, one column a set; a green rim where all that was wanted is there, else what is missing."""
    side = 64 * ZOOM + GAP
    head = 12 * max(len(each.experts) for each in sets) + GAP
    page = Image.new("RGB", (LABEL + side * len(sets), head + (side + 2 * LINE) * len(schemes)), "white")
    pen = ImageDraw.Draw(page)
    for column, wanted in enumerate(sets):
        words = [wanted.scene.colour, *(expert.removeprefix("zoo/") for expert in wanted.experts)]
        for line, word in enumerate((f"{words[0]} {words[1]}", *words[2:])):
            pen.text((LABEL + column * side, 12 * line), word, fill="black")
    for row, name in enumerate(schemes):
        top = head + row * (side + 2 * LINE)
        pen.text((2, top + side // 2), name, fill="black")
        for column, wanted in enumerate(sets):
            pictures, _, _ = draw(find(name), wanted, [seed])
            verdicts = met(wanted.scene, readings(pictures)[0])
            missing = [attribute for attribute, is_met in verdicts.items() if not is_met]
            place(page, pen, pictures[0], (LABEL + column * side, top), missing)
    return page


def place(
    page: Image.Image,
    pen: ImageDraw.ImageDraw,
    picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    corner: tuple[int, int],
    missing: Sequence[str],
) -> None:
    """Put a picture onto a page, with a rim and words that say what it lacks."""
    left, top = corner
    wide = 64 * ZOOM
    rim = (214, 60, 50) if missing else (40, 150, 70)
    pen.rectangle((left, top, left + wide + 3, top + wide + 3), fill=rim)
    shown = Image.fromarray(picture).resize((wide, wide), Image.Resampling.NEAREST)
    page.paste(shown, (left + 2, top + 2))
    if missing:
        # Two or three words fit on a line under a picture.
        for line, words in enumerate((missing[:2], missing[2:])):
            if words:
                told = ("" if line else "no ") + ", ".join(words)
                pen.text((left, top + wide + 2 + LINE * line), told, fill=(150, 30, 20))


def save(page: Image.Image, path: Path) -> None:
    """With a palette, which keeps the file small and the picture as it looks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.quantize(192, dither=Image.Dither.NONE).save(path, optimize=True)
