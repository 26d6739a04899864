"""Exact readings of plain pictures: colour by histogram, background by the rim, corner object by its box."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mosaic.stdlib.zoo import world
from mosaic.stdlib.zoo.drawing.pen import dark

Array = NDArray[np.float32]

BACKGROUNDS: Final = (*world.BACKGROUNDS, *world.EXTRA_BACKGROUNDS)
_Y, _X = np.mgrid[0:64, 0:64]
_RIM: Final = ((_X < 6) | (_X > 57) | (_Y < 6) | (_Y > 60)) & ~((_X < 20) & (_Y < 20))
"""Pixels that no subject reaches, without the reserved corner."""
_MIDDLE: Final = ((_X - 32.0) / 19) ** 2 + ((_Y - 40.0) / 17) ** 2 < 1
_NEAR: Final = 46.0
"""Largest distance in RGB (0..255) at which a pixel counts for a palette colour."""


def _float(picture: NDArray[np.uint8]) -> Array:
    return picture.astype(np.float32)


@cache
def _rims() -> dict[str, Array]:
    """The mean rim of each background over 24 seeds, (pixels, 3)."""
    rims = {}
    for name in BACKGROUNDS:
        scenes = [world.Scene("cat", "white", name)] * 24
        rims[name] = world.pixels(scenes, 400_000)[:, _RIM].astype(np.float32).mean(axis=0)
    return rims


def background(picture: NDArray[np.uint8]) -> str:
    """The background whose mean rim is nearest (mean absolute difference)."""
    rim = _float(picture)[_RIM]
    return min(BACKGROUNDS, key=lambda name: float(np.abs(rim - _rims()[name]).mean()))


def colour(picture: NDArray[np.uint8]) -> str:
    """The palette colour of which the middle shows most; "" when there is next to none.

    Pixels of the colour itself and of its usual shade count alike.
    """
    middle = _float(picture)[_MIDDLE]
    votes: dict[str, float] = {}
    tones = np.asarray(list(world.COLOURS.values()), dtype=np.float32)
    distance = np.linalg.norm(middle[:, None] - tones[None], axis=2)
    nearest, near = distance.argmin(axis=1), distance.min(axis=1) < _NEAR
    for i, name in enumerate(world.COLOURS):
        shade = np.asarray(dark(world.COLOURS[name], 0.35), dtype=np.float32)
        shaded = np.linalg.norm(middle - shade, axis=1) < 20
        votes[name] = float((near & (nearest == i)).sum()) + (
            0.0 if name == "white" else 0.3 * float(shaded.sum())
        )
    # White parts (eyes, windows, bellies) are on every subject; only a white subject is white all over.
    votes["white"] *= 0.5
    best = max(votes, key=lambda name: votes[name])
    return best if votes[best] >= 30 else ""


def corner(picture: NDArray[np.uint8]) -> str:
    """A star is a patch of its yellow in the corner's box, a heart one of its red."""
    box = _float(picture)[2:17, 2:17].reshape(-1, 3)
    star = int((np.linalg.norm(box - np.asarray([255, 224, 60]), axis=1) < 60).sum())
    heart = int((np.linalg.norm(box - np.asarray([238, 40, 84]), axis=1) < 70).sum())
    if max(star, heart) < 22:
        return ""
    return "star" if star > heart else "heart"
