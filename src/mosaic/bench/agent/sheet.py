"""A contact sheet: some requests, drawn from the composed plan and by the base alone, one under the other."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw

from mosaic.bench.agent.pictures import WAYS, Shown
from mosaic.bench.sheets import GAP, LABEL, LINE, ZOOM, place

COLUMNS: Final = 8
_LINES: Final = 5  # of a request's text
_WIDTH: Final = 21  # characters of a line


def chosen(shown: Sequence[Shown], columns: int = COLUMNS) -> list[Shown]:
    """Some requests that ask for three experts or more, in all ways: by their order alone, spread evenly, not by how
    they came out."""
    names = dict.fromkeys(each.case.name for each in shown if len(_asked(each)) >= 3)
    spread = list(names)[:: max(1, len(names) // columns)][:columns]
    return [each for each in shown if each.case.name in spread]


def _asked(shown: Shown) -> list[str]:
    return [id for each in shown.case.wanted for id in each.experts]


def sheet(shown: Sequence[Shown]) -> Image.Image:
    """One row a way, one column a request, the first seed of each; a green rim where everything that was asked for is
    there, else what is missing."""
    requests = list(dict.fromkeys(each.case.name for each in shown))
    ways = [way for way in WAYS if any(each.way == way for each in shown)]
    side, head = 64 * ZOOM + GAP, 12 * _LINES + GAP
    page = Image.new("RGB", (LABEL + side * len(requests), head + (side + 2 * LINE) * len(ways)), "white")
    pen = ImageDraw.Draw(page)
    for each in shown:
        left = LABEL + side * requests.index(each.case.name)
        top = head + (side + 2 * LINE) * ways.index(each.way)
        if each.way == ways[0]:
            for line, words in enumerate(textwrap.wrap(each.case.text, _WIDTH, max_lines=_LINES)):
                pen.text((left, 12 * line), words, fill="black")
        missing = [name for name, is_met in each.met[0].items() if not is_met]
        place(page, pen, each.pictures[0], (left, top), missing)
    for row, way in enumerate(ways):
        pen.text((2, head + (side + 2 * LINE) * row + side // 2), way, fill="black")
    return page
