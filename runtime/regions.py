"""Regions: which part of a latent an operand or a prompt counts in."""

from __future__ import annotations

from collections.abc import Callable

import torch

from mosaic.compiler.program import Mask, Rectangle, Region

LoadMask = Callable[[int], torch.Tensor]
"""The grey picture of an index into `Program.images`: (height, width) float32 in 0..1."""


def weights(region: Region, height: int, width: int, load: LoadMask) -> torch.Tensor:
    """How much of each cell of a latent lies in a region: (height, width) float32 in 0..1.

    An edge that cuts a cell counts by the part of the cell, so regions that meet at an edge add up to one, with a soft
    edge as well: it runs from half its width inside to half its width outside.
    """
    match region:
        case Rectangle():
            soft = region.feather * min(region.width * width, region.height * height)
            across = _covered(region.x * width, (region.x + region.width) * width, width, soft)
            down = _covered(region.y * height, (region.y + region.height) * height, height, soft)
            return down[:, None] * across[None, :]
        case Mask():
            return _pictured(load(region.file), height, width, region.feather)


def _covered(start: float, end: float, cells: int, soft: float) -> torch.Tensor:
    """The part of each cell of a row that lies between two edges. An edge on the canvas's border is never soft."""
    rises = torch.ones(cells) if start <= 0 else _risen(start, cells, soft)
    falls = torch.zeros(cells) if end >= cells else _risen(end, cells, soft)
    return (rises - falls).clamp(0, 1)


def _risen(edge: float, cells: int, soft: float) -> torch.Tensor:
    """The mean over each cell of a ramp from 0 to 1 that is `soft` cells wide and centred on an edge."""
    borders = torch.arange(cells + 1, dtype=torch.float64)
    if soft <= 0:
        area = (borders - edge).clamp(min=0)
    else:
        # The integral of the ramp: quadratic on it, straight beyond.
        low, high = edge - soft / 2, edge + soft / 2
        on = (borders.clamp(low, high) - low).square() / (2 * soft)
        area = on + (borders - high).clamp(min=0)
    return area.diff().float()


def _pictured(grey: torch.Tensor, height: int, width: int, feather: float) -> torch.Tensor:
    """A picture averaged over the cells, its edges softened by a box as wide as the feather."""
    cells = torch.nn.functional.interpolate(grey[None, None], size=(height, width), mode="area")
    reach = round(feather * min(height, width) / 2)
    if reach:
        padded = torch.nn.functional.pad(cells, (reach, reach, reach, reach), mode="replicate")
        cells = torch.nn.functional.avg_pool2d(padded, 2 * reach + 1, stride=1)
    return cells[0, 0].clamp(0, 1)
