"""A pen over a Pillow picture: coordinates are in the 64-pixel space of the finished picture."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

SIZE = 64
"""Side of a finished picture, in pixels."""
SCALE = 3
"""Supersampling: everything is drawn at 192x192 and reduced once, so that edges are smooth."""
INK: Colour = (28, 26, 44)


def mix(a: Colour, b: Colour, t: float) -> Colour:
    """The colour that lies the fraction `t` of the way from `a` to `b`."""
    return (
        round(a[0] + (b[0] - a[0]) * t),
        round(a[1] + (b[1] - a[1]) * t),
        round(a[2] + (b[2] - a[2]) * t),
    )


def dark(colour: Colour, t: float = 0.3) -> Colour:
    """A shade towards a bluish black."""
    return mix(colour, (30, 20, 50), t)


def light(colour: Colour, t: float = 0.45) -> Colour:
    """A tint towards a warm white."""
    return mix(colour, (255, 252, 240), t)


class Pen:
    """Draws shapes after moving and scaling them about the centre (32, 36) of the subject."""

    def __init__(self, image: Image.Image, dx: float = 0.0, dy: float = 0.0, zoom: float = 1.0) -> None:
        self._draw = ImageDraw.Draw(image)
        self._dx, self._dy, self._zoom = dx, dy, zoom

    def at(self, x: float, y: float) -> Point:
        """The point in the space of the finished picture, after the jitter."""
        return 32 + (x - 32) * self._zoom + self._dx, 36 + (y - 36) * self._zoom + self._dy

    def _px(self, x: float, y: float) -> Point:
        px, py = self.at(x, y)
        return px * SCALE, py * SCALE

    def poly(self, points: Sequence[Point], fill: Colour) -> None:
        self._draw.polygon([self._px(x, y) for x, y in points], fill=fill)

    def oval(self, x0: float, y0: float, x1: float, y1: float, fill: Colour) -> None:
        self._draw.ellipse([self._px(x0, y0), self._px(x1, y1)], fill=fill)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Colour, radius: float = 0.0) -> None:
        self._draw.rounded_rectangle(
            [self._px(x0, y0), self._px(x1, y1)], radius=radius * SCALE * self._zoom, fill=fill
        )

    def line(self, points: Sequence[Point], fill: Colour, width: float = 1.0) -> None:
        px = [self._px(x, y) for x, y in points]
        self._draw.line(px, fill=fill, width=max(1, round(width * SCALE * self._zoom)), joint="curve")

    def arc(
        self, box: tuple[float, float, float, float], start: float, end: float, fill: Colour, width: float
    ) -> None:
        self._draw.arc(
            [self._px(*box[:2]), self._px(*box[2:])],
            start,
            end,
            fill=fill,
            width=max(1, round(width * SCALE * self._zoom)),
        )
