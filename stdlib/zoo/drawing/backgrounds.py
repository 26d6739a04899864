"""The backgrounds of the zoo. The corner at the upper left is left quiet: a small object may stand there."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

import numpy as np
from PIL import Image

from mosaic.stdlib.zoo.drawing.pen import SCALE, SIZE, Colour, Pen, mix


def _gradient(top: Colour, bottom: Colour) -> Image.Image:
    t = np.linspace(0.0, 1.0, SIZE * SCALE)[:, None, None]
    rows = np.asarray(top) * (1 - t) + np.asarray(bottom) * t
    full = np.broadcast_to(rows, (SIZE * SCALE, SIZE * SCALE, 3))
    return Image.fromarray(np.ascontiguousarray(full).round().astype(np.uint8), "RGB")


def _cloud(pen: Pen, x: float, y: float) -> None:
    for dx, dy, r in ((-5, 1, 3.6), (0, -1, 4.8), (5, 1, 3.6)):
        pen.oval(x + dx - r, y + dy - r * 0.8, x + dx + r, y + dy + r * 0.8, (255, 255, 255))


def meadow(rng: Random) -> Image.Image:
    image = _gradient((120, 202, 250), (206, 238, 252))
    pen = Pen(image)
    _cloud(pen, 53 + rng.uniform(-2, 2), 9 + rng.uniform(-1, 2))
    _cloud(pen, 29 + rng.uniform(-2, 2), 6 + rng.uniform(-1, 1))
    pen.oval(-30, 43, 60, 110, (128, 206, 92))
    pen.oval(10, 46, 100, 110, (104, 186, 78))
    for _ in range(7):
        x, y = rng.choice((rng.uniform(1, 14), rng.uniform(50, 63))), rng.uniform(52, 62)
        pen.oval(x - 1.3, y - 1.3, x + 1.3, y + 1.3, rng.choice(((255, 255, 255), (255, 226, 90))))
    return image


def night(rng: Random) -> Image.Image:
    image = _gradient((14, 16, 52), (50, 52, 112))
    pen = Pen(image)
    for _ in range(16):
        x, y, r = rng.uniform(1, 63), rng.uniform(1, 48), rng.choice((0.55, 0.8))
        pen.oval(x - r, y - r, x + r, y + r, (250, 246, 214))
    x, y = 55 + rng.uniform(-1.5, 1.5), 10 + rng.uniform(-1.5, 1.5)
    pen.oval(x - 6, y - 6, x + 6, y + 6, (255, 240, 178))
    pen.oval(x - 8.5, y - 7.5, x + 2.5, y + 3.5, (20, 22, 60))
    pen.oval(-25, 50, 45, 95, (24, 26, 58))
    pen.oval(22, 53, 95, 95, (18, 20, 48))
    return image


def river(rng: Random) -> Image.Image:
    image = _gradient((236, 246, 240), (176, 228, 232))
    pen = Pen(image)
    pen.oval(-14, 14, 30, 50, (120, 186, 150))
    pen.oval(28, 12, 80, 50, (98, 168, 138))
    pen.box(0, 26, 64, 64, (46, 168, 196))
    for i in range(6):
        y, x = 30 + i * 6 + rng.uniform(-0.6, 0.6), rng.uniform(-6, 4)
        while x < 64:
            pen.arc((x, y - 2, x + 7, y + 3), 200, 340, (170, 232, 240), 1.2)
            x += 12
    for reed in (3.0, 7.0, 58.0, 61.5):
        h = rng.uniform(0, 4)
        pen.line([(reed, 64), (reed, 50 - h)], (70, 130, 60), 1.3)
        pen.oval(reed - 1.5, 45 - h, reed + 1.5, 52 - h, (120, 78, 44))
    return image


def forest(rng: Random) -> Image.Image:
    image = _gradient((34, 88, 62), (58, 122, 72))
    pen = Pen(image)
    for x, w in ((3, 5), (20, 4), (44, 4), (60, 6)):
        j = rng.uniform(-1.5, 1.5)
        pen.box(x + j - w / 2, 8, x + j + w / 2, 58, (84, 56, 40))
    for i in range(6):
        cx, cy = i * 12.5 + rng.uniform(-2, 2), 3 + rng.uniform(-2, 2)
        pen.oval(cx - 9, cy - 8, cx + 9, cy + 6, mix((20, 66, 46), (44, 106, 60), rng.random()))
    pen.oval(-20, 53, 90, 85, (40, 74, 40))
    for x in (5, 58):
        for s in (-1, 0, 1):
            pen.line([(x, 62), (x + s * 5, 52 - abs(s) * -2)], (112, 176, 84), 1.4)
    return image


def desert(rng: Random) -> Image.Image:
    image = _gradient((252, 214, 128), (255, 238, 190))
    pen = Pen(image)
    x, y = 54 + rng.uniform(-1.5, 1.5), 10 + rng.uniform(-1.5, 1.5)
    pen.oval(x - 6, y - 6, x + 6, y + 6, (255, 252, 226))
    pen.oval(-34, 38, 46, 110, (232, 170, 96))
    pen.oval(20, 42, 104, 110, (214, 146, 78))
    pen.oval(-20, 54, 70, 110, (240, 188, 114))
    for cx, top in ((5, 26), (60, 30)):
        t = top + rng.uniform(-2, 2)
        pen.line([(cx, t), (cx, 54)], (92, 140, 82), 3.2)
        pen.line([(cx - 4, t + 6), (cx - 4, t + 12), (cx + 4, t + 12), (cx + 4, t + 5)], (92, 140, 82), 2.0)
    return image


def alley(rng: Random) -> Image.Image:
    image = _gradient((146, 96, 156), (240, 160, 150))
    pen = Pen(image)
    pen.poly([(0, 0), (15, 0), (15, 56), (0, 64)], (92, 62, 92))
    pen.poly([(64, 0), (49, 0), (49, 56), (64, 64)], (76, 52, 84))
    pen.poly([(15, 20), (24, 20), (24, 14), (36, 14), (36, 24), (49, 24), (49, 56), (15, 56)], (118, 82, 122))
    pen.poly([(15, 55), (49, 55), (64, 64), (0, 64)], (98, 96, 112))
    for x in (3.0, 9.0):
        for y in (22, 32, 42):
            lit = rng.random() < 0.75
            pen.box(x, y, x + 4, y + 6, (255, 214, 110) if lit else (56, 40, 66))
    for x in (51.5, 57.5):
        for y in (8, 18, 28, 38):
            lit = rng.random() < 0.75
            pen.box(x, y, x + 4, y + 6, (255, 214, 110) if lit else (52, 36, 62))
    pen.line([(15, 10), (32, 14), (49, 9)], (54, 38, 62), 0.8)
    return image


def snow(rng: Random) -> Image.Image:
    image = _gradient((168, 186, 208), (214, 224, 238))
    pen = Pen(image)
    pen.oval(-30, 40, 54, 100, (226, 236, 248))
    pen.oval(16, 43, 96, 100, (250, 252, 255))
    pen.oval(-30, 54, 94, 110, (238, 244, 252))
    for cx, top in ((5.0, 30), (59.0, 26)):
        x, t = cx + rng.uniform(-1, 1), top + rng.uniform(-2, 2)
        pen.box(x - 1.4, t + 20, x + 1.4, t + 28, (96, 66, 56))
        for i in range(3):
            y, w = t + 7 * i, 5 + 1.8 * i
            pen.poly([(x, y - 2), (x - w, y + 8), (x + w, y + 8)], (36, 104, 104))
            pen.poly([(x, y - 2.5), (x - w * 0.45, y + 2.4), (x + w * 0.45, y + 2.4)], (252, 254, 255))
    for _ in range(13):
        x, y = rng.uniform(20, 63), rng.uniform(1, 22)
        pen.oval(x - 1.1, y - 1.1, x + 1.1, y + 1.1, (255, 255, 255))
    return image


def space(rng: Random) -> Image.Image:
    image = _gradient((10, 4, 24), (44, 8, 58))
    pen = Pen(image)
    pen.oval(20, -22, 92, 26, (58, 12, 74))
    for _ in range(14):
        x, y = rng.uniform(1, 63), rng.uniform(18, 50)
        pen.oval(x - 0.7, y - 0.7, x + 0.7, y + 0.7, (255, 250, 240))
    x, y = 53 + rng.uniform(-1.5, 1.5), 11 + rng.uniform(-1.5, 1.5)
    pen.line([(x - 10.5, y + 4), (x + 10.5, y - 4)], (250, 226, 160), 2.0)
    pen.oval(x - 6.2, y - 6.2, x + 6.2, y + 6.2, (240, 122, 60))
    pen.line([(x - 8.5, y + 3.4), (x + 8.5, y - 3.2)], (250, 226, 160), 1.6)
    x, y = 7 + rng.uniform(-1, 1), 38 + rng.uniform(-1.5, 1.5)
    pen.oval(x - 5.5, y - 5.5, x + 5.5, y + 5.5, (60, 206, 190))
    pen.oval(x - 3.5, y - 3.5, x + 1.5, y + 0.5, (160, 244, 226))
    pen.oval(-40, 51, 104, 110, (150, 140, 168))
    for cx, cy, r in ((8, 58, 4.5), (56, 57, 5.0), (34, 62, 4.0), (20, 62, 2.5)):
        j = rng.uniform(-1.5, 1.5)
        pen.oval(cx + j - r, cy - r * 0.5, cx + j + r, cy + r * 0.5, (98, 88, 120))
    return image


def lava(rng: Random) -> Image.Image:
    image = _gradient((66, 16, 22), (206, 62, 26))
    pen = Pen(image)
    x = 50 + rng.uniform(-1.5, 1.5)
    pen.poly([(x - 22, 50), (x - 5, 9), (x + 5, 9), (x + 22, 50)], (64, 40, 46))
    pen.poly(
        [(x - 5, 9), (x + 5, 9), (x + 8, 22), (x + 4, 18), (x, 28), (x - 4, 17), (x - 7, 19)], (255, 150, 30)
    )
    for _ in range(6):
        dx, dy = rng.uniform(-9, 9), rng.uniform(2, 7)
        pen.oval(x + dx - 1, dy - 1, x + dx + 1, dy + 1, (255, 196, 60))
    pen.poly([(0, 28), (7, 33), (11, 50), (16, 64), (0, 64)], (48, 30, 38))
    pen.box(0, 49, 64, 64, (48, 30, 38))
    for i in range(3):
        y, j = 52.5 + i * 4.6, rng.uniform(-2, 2)
        points = [(-2 + 9 * k + j, y + (1.3 if k % 2 else -1.3)) for k in range(9)]
        pen.line(points, (255, 104, 20), 2.8)
        pen.line(points, (255, 210, 70), 1.0)
    return image


def sea(rng: Random) -> Image.Image:
    image = _gradient((64, 176, 232), (16, 62, 150))
    pen = Pen(image)
    for px in (24.0, 40.0):
        j = rng.uniform(-2, 2)
        pen.poly([(px + j, 0), (px + 7 + j, 0), (px + 1 + j, 40), (px - 9 + j, 40)], (98, 196, 240))
    pen.oval(-30, 55, 94, 90, (236, 208, 148))
    for px, top in ((3.0, 34), (8.5, 40), (61.0, 36)):
        t, j = top + rng.uniform(-2, 2), rng.uniform(-0.6, 0.6)
        points = [(px + j + (1.7 if k % 2 else -1.7), t + (62 - t) * k / 6) for k in range(7)]
        pen.line(points, (40, 170, 96), 2.6)
    cx = 55 + rng.uniform(-1, 1)
    for dx, dy in ((-6, -9), (0, -13), (5, -8)):
        pen.line([(cx, 62), (cx + dx, 60 + dy)], (250, 104, 130), 2.8)
        pen.oval(cx + dx - 2, 58 + dy, cx + dx + 2, 62 + dy, (250, 104, 130))
    for _ in range(7):
        x, y, r = rng.uniform(46, 62), rng.uniform(3, 40), rng.uniform(1.2, 2.4)
        pen.oval(x - r, y - r, x + r, y + r, (206, 240, 255))
        pen.oval(x - r * 0.5, y - r * 0.5, x + r * 0.5, y + r * 0.5, (84, 170, 226))
    return image


DRAW: Final[dict[str, Callable[[Random], Image.Image]]] = {
    "meadow": meadow,
    "night": night,
    "river": river,
    "forest": forest,
    "desert": desert,
    "alley": alley,
    "snow": snow,
    "space": space,
    "lava": lava,
    "sea": sea,
}
