"""Worn things and small objects for the corner."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin
from typing import Final

from mosaic.stdlib.zoo.drawing.pen import Pen
from mosaic.stdlib.zoo.drawing.subjects import GOLD, Head


def hat(pen: Pen, head: Head) -> None:
    """A tall black hat with a red band."""
    x, y, w = head
    pen.oval(x - w * 0.72, y - 2.6, x + w * 0.72, y + 2.8, (36, 32, 46))
    pen.box(x - w * 0.42, y - 14, x + w * 0.42, y + 1, (36, 32, 46), 1.5)
    pen.box(x - w * 0.42, y - 4.5, x + w * 0.42, y - 1, (226, 54, 60))


def crown(pen: Pen, head: Head) -> None:
    """A golden crown with three points and jewels."""
    x, y, w = head
    h = w * 0.5
    points = [(x - h, y + 2), (x - h, y - 10), (x - h / 2, y - 4.5), (x, y - 12), (x + h / 2, y - 4.5)]
    pen.poly([*points, (x + h, y - 10), (x + h, y + 2)], GOLD)
    for dx, jewel in ((-h * 0.6, (226, 54, 60)), (0.0, (70, 130, 240)), (h * 0.6, (60, 190, 110))):
        pen.oval(x + dx - 1.5, y - 2.6, x + dx + 1.5, y + 0.6, jewel)


def star(pen: Pen) -> None:
    """A yellow star centred at (9, 9)."""
    points = []
    for i in range(10):
        r, a = (7.4 if i % 2 == 0 else 3.2), -pi / 2 + i * pi / 5
        points.append((9 + r * cos(a), 9.4 + r * sin(a)))
    pen.poly(points, (255, 224, 60))


def heart(pen: Pen) -> None:
    """A red heart centred at (9, 9)."""
    points = []
    for i in range(40):
        a = 2 * pi * i / 40
        px = 16 * sin(a) ** 3
        py = 13 * cos(a) - 5 * cos(2 * a) - 2 * cos(3 * a) - cos(4 * a)
        points.append((9 + px * 0.43, 8.4 - py * 0.43))
    pen.poly(points, (238, 40, 84))


WORN: Final[dict[str, Callable[[Pen, Head], None]]] = {"hat": hat, "crown": crown}
CORNER: Final[dict[str, Callable[[Pen], None]]] = {"star": star, "heart": heart}
