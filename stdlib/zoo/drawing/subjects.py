"""The subjects of the zoo: each draws itself in one colour and says where a hat would sit."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin
from typing import Final

from mosaic.stdlib.zoo.drawing.pen import INK, Colour, Pen, dark, light

WHITE: Final[Colour] = (252, 250, 244)
GOLD: Final[Colour] = (250, 200, 50)
STEEL: Final[Colour] = (214, 222, 232)
BROWN: Final[Colour] = (122, 78, 48)

Head = tuple[float, float, float]
"""Where a worn thing sits: x and y of the crown of the head, and its width, in pixels."""


def _eye(pen: Pen, x: float, y: float, r: float = 2.6) -> None:
    pen.oval(x - r, y - r, x + r, y + r, WHITE)
    pen.oval(x - r * 0.6, y - r * 0.6, x + r * 0.6, y + r * 0.75, INK)


def cat(pen: Pen, c: Colour) -> Head:
    pen.arc((38, 34, 58, 60), 300, 120, dark(c, 0.15), 4.5)
    pen.oval(19, 36, 45, 61, c)
    pen.oval(25, 42, 39, 61, light(c))
    for s in (-1, 1):
        pen.poly([(32 + s * 15, 31), (32 + s * 14, 12), (32 + s * 3, 22)], c)
        pen.poly([(32 + s * 12, 26), (32 + s * 12, 17), (32 + s * 6, 22)], (250, 170, 170))
    pen.oval(16, 19, 48, 45, c)
    for s in (-1, 1):
        _eye(pen, 32 + s * 7, 30, 3.2)
        pen.line([(32 + s * 8, 37), (32 + s * 18, 35)], INK, 0.7)
        pen.line([(32 + s * 8, 39), (32 + s * 18, 40)], INK, 0.7)
    pen.poly([(29.5, 34.5), (34.5, 34.5), (32, 37.5)], (240, 110, 120))
    pen.line([(27.5, 39), (29.7, 40.8), (32, 39), (34.3, 40.8), (36.5, 39)], INK, 0.9)
    return 32, 21, 20


def dog(pen: Pen, c: Colour) -> Head:
    pen.oval(20, 40, 44, 62, c)
    pen.box(22, 52, 30, 61, light(c), 3)
    pen.box(34, 52, 42, 61, light(c), 3)
    pen.box(18, 18, 46, 42, c, 11)
    pen.oval(22, 31, 42, 47, light(c, 0.6))
    for s in (-1, 1):
        pen.oval(32 + s * 17 - 5, 19, 32 + s * 17 + 5, 44, dark(c, 0.45))
        _eye(pen, 32 + s * 6.5, 28, 2.8)
    pen.oval(27.5, 32, 36.5, 38, INK)
    pen.line([(32, 37), (32, 41)], INK, 0.9)
    pen.box(29.5, 40, 34.5, 47, (236, 90, 100), 2.4)
    return 32, 19, 20


def fish(pen: Pen, c: Colour) -> Head:
    pen.poly([(42, 40), (60, 25), (56, 40), (60, 55)], dark(c, 0.25))
    pen.poly([(22, 28), (36, 17), (43, 30)], dark(c, 0.25))
    pen.poly([(26, 52), (34, 60), (40, 51)], dark(c, 0.25))
    pen.oval(6, 24, 49, 56, c)
    pen.oval(12, 42, 42, 55, light(c, 0.5))
    for x in (26, 33, 40):
        pen.arc((x - 8, 32, x + 2, 48), 290, 70, dark(c, 0.35), 1.4)
    _eye(pen, 16, 36, 4.0)
    pen.line([(7, 44), (12, 45)], INK, 1.1)
    return 24, 26, 18


def bird(pen: Pen, c: Colour) -> Head:
    pen.line([(29, 54), (29, 62)], (240, 150, 40), 1.8)
    pen.line([(36, 54), (36, 62)], (240, 150, 40), 1.8)
    pen.poly([(44, 44), (61, 33), (58, 49)], dark(c, 0.3))
    pen.oval(14, 30, 51, 58, c)
    pen.oval(17, 40, 35, 57, light(c, 0.5))
    pen.oval(12, 16, 36, 41, c)
    pen.poly([(14, 25), (2, 30), (14, 34)], (250, 160, 30))
    pen.poly([(28, 38), (52, 38), (40, 52), (32, 50)], dark(c, 0.35))
    _eye(pen, 19.5, 26, 3.4)
    return 24, 18, 17


def car(pen: Pen, c: Colour) -> Head:
    pen.poly([(15, 41), (22, 25), (44, 25), (53, 41)], c)
    pen.poly([(20, 39), (25, 29), (32, 29), (32, 39)], (190, 228, 246))
    pen.poly([(35, 39), (35, 29), (42, 29), (48, 39)], (190, 228, 246))
    pen.box(5, 38, 59, 54, c, 4)
    pen.box(5, 46, 59, 49, dark(c, 0.3))
    pen.oval(5, 40, 10, 45, (255, 240, 150))
    for x in (18, 46):
        pen.oval(x - 7.5, 46, x + 7.5, 61, INK)
        pen.oval(x - 3.4, 50, x + 3.4, 57, STEEL)
    return 33, 26, 18


def house(pen: Pen, c: Colour) -> Head:
    pen.box(43, 20, 49, 34, dark(c, 0.55))
    pen.box(13, 36, 51, 61, c)
    pen.poly([(7, 39), (32, 17), (57, 39)], dark(c, 0.5))
    pen.poly([(14, 36.5), (32, 21), (50, 36.5)], dark(c, 0.35))
    pen.box(28, 45, 37, 61, BROWN, 2)
    pen.oval(34, 52, 36, 54, GOLD)
    for x in (17, 41):
        pen.box(x, 42, x + 7, 50, (255, 236, 150))
        pen.line([(x + 3.5, 42), (x + 3.5, 50)], INK, 0.7)
        pen.line([(x, 46), (x + 7, 46)], INK, 0.7)
    return 32, 20, 15


def tree(pen: Pen, c: Colour) -> Head:
    pen.poly([(27, 61), (29, 40), (35, 40), (37, 61)], BROWN)
    pen.line([(32, 48), (41, 41)], BROWN, 2.4)
    for x0, y0, x1, y1 in ((9, 28, 33, 49), (31, 28, 55, 49), (16, 17, 48, 44)):
        pen.oval(x0, y0, x1, y1, c)
    pen.oval(19, 20, 33, 31, light(c, 0.35))
    for x, y in ((17, 38), (29, 37), (41, 27), (47, 39), (36, 43)):
        pen.oval(x - 2, y - 2, x + 2, y + 2, dark(c, 0.5))
    return 32, 19, 17


def boat(pen: Pen, c: Colour) -> Head:
    pen.box(31, 16, 34, 48, BROWN)
    pen.poly([(36, 19), (36, 43), (56, 43)], light(c, 0.7))
    pen.poly([(29, 22), (29, 43), (11, 43)], light(c, 0.4))
    pen.poly([(6, 46), (58, 46), (50, 60), (14, 60)], c)
    pen.poly([(6, 46), (58, 46), (56.5, 49), (7.5, 49)], light(c, 0.6))
    for x in (20, 32, 44):
        pen.oval(x - 2, 51, x + 2, 55, dark(c, 0.6))
    return 32.5, 19, 14


def mushroom(pen: Pen, c: Colour) -> Head:
    pen.box(22, 38, 42, 61, (250, 236, 208), 6)
    cap = [(32 - 26 * cos(pi * i / 24), 42 - 25 * sin(pi * i / 24)) for i in range(25)]
    pen.poly(cap, c)
    pen.poly([(6, 41), (58, 41), (52, 46), (12, 46)], dark(c, 0.35))
    pen.box(22, 45, 42, 50, (250, 236, 208))
    for x, y, r in ((19, 30, 4), (32, 26, 4.6), (45, 31, 4)):
        pen.oval(x - r, y - r, x + r, y + r, WHITE)
    for x in (28, 36):
        pen.oval(x - 1.8, 48, x + 1.8, 53, INK)
    pen.arc((29, 51, 35, 57), 20, 160, INK, 1.0)
    return 32, 18, 18


def knight(pen: Pen, c: Colour, horned: bool = False, sword: bool = False) -> Head:
    pen.box(23, 50, 30.5, 62, dark(c, 0.35), 2)
    pen.box(33.5, 50, 41, 62, dark(c, 0.35), 2)
    pen.poly([(18, 38), (46, 38), (43, 55), (21, 55)], c)
    pen.poly([(27, 38), (37, 38), (34, 55), (30, 55)], light(c, 0.5))
    for s in (-1, 1):
        pen.box(32 + s * 15 - 4, 40, 32 + s * 15 + 4, 52, dark(c, 0.2), 3)
        pen.oval(32 + s * 14 - 6, 34, 32 + s * 14 + 6, 45, c)
    pen.box(20, 18, 44, 39, c, 9)
    pen.box(22, 26, 42, 31.5, INK, 1.5)
    for x in (27.5, 36.5):
        pen.oval(x - 1.8, 27, x + 1.8, 30.8, (255, 240, 190))
    pen.line([(32, 32), (32, 38)], dark(c, 0.5), 1.4)
    if sword:
        pen.box(52.3, 12, 56.3, 44, STEEL)
        pen.poly([(52.3, 12.5), (56.3, 12.5), (54.3, 7)], STEEL)
        pen.box(48.5, 43, 60, 46.5, GOLD, 1)
        pen.box(52.8, 46, 55.8, 54, BROWN)
    if horned:
        for s in (-1, 1):
            horn = [(2, 24), (10, 22), (17, 8), (9, 15), (2, 18)]
            pen.poly([(32 + s * x, y) for x, y in horn], GOLD)
        pen.oval(28.5, 17, 35.5, 24, (232, 70, 50))
    return 32, 19, 18


def robot(pen: Pen, c: Colour) -> Head:
    pen.line([(32, 20), (32, 11)], INK, 1.6)
    pen.oval(28.5, 7, 35.5, 14, (255, 80, 70))
    for s in (-1, 1):
        pen.box(32 + s * 8 - 4, 54, 32 + s * 8 + 4, 62, INK, 1)
        pen.line([(32 + s * 13, 45), (32 + s * 22, 49), (32 + s * 22, 41)], STEEL, 3.2)
        pen.oval(32 + s * 22 - 3.6, 35, 32 + s * 22 + 3.6, 42, dark(c, 0.3))
        pen.box(32 + s * 16 - 2.5, 24, 32 + s * 16 + 2.5, 32, STEEL)
    pen.box(19, 41, 45, 57, c, 2)
    pen.box(24, 44, 40, 53, (60, 66, 90), 1)
    for x, lamp in ((28, (255, 90, 80)), (32, (255, 220, 80)), (36, (100, 230, 120))):
        pen.oval(x - 1.5, 47, x + 1.5, 50, lamp)
    pen.box(17, 18, 47, 40, c, 3)
    for s in (-1, 1):
        pen.box(32 + s * 7 - 4.5, 22, 32 + s * 7 + 4.5, 30, INK, 1)
        pen.box(32 + s * 7 - 2.6, 23.5, 32 + s * 7 + 2.6, 28.5, (90, 240, 250))
    pen.box(24, 33, 40, 37, STEEL)
    for x in (28, 32, 36):
        pen.line([(x, 33), (x, 37)], INK, 0.9)
    return 32, 19, 20


def ghost(pen: Pen, c: Colour) -> Head:
    for s in (-1, 1):
        pen.oval(32 + s * 18 - 5, 35, 32 + s * 18 + 5, 46, dark(c, 0.2))
    pen.oval(15, 17, 49, 51, c)
    pen.box(15, 34, 49, 55, c)
    for x in (15.0, 26.3, 37.6):
        pen.oval(x, 48, x + 11.4, 62, c)
    for s in (-1, 1):
        pen.oval(32 + s * 7 - 3.8, 26, 32 + s * 7 + 3.8, 37, INK)
        pen.oval(32 + s * 7 - 2.4, 27.5, 32 + s * 7 + 0.6, 31, WHITE)
        pen.oval(32 + s * 12.5 - 2.4, 37.5, 32 + s * 12.5 + 2.4, 41, (250, 150, 160))
    pen.oval(28, 39.5, 36, 48.5, dark(c, 0.75))
    return 32, 20, 19


def owl(pen: Pen, c: Colour) -> Head:
    for s in (-1, 1):
        pen.poly([(32 + s * 17, 32), (32 + s * 19, 12), (32 + s * 6, 22)], dark(c, 0.25))
        pen.oval(32 + s * 8 - 5, 57, 32 + s * 8 + 5, 63, (240, 150, 40))
    pen.oval(14, 18, 50, 61, c)
    for s in (-1, 1):
        pen.oval(32 + s * 17 - 5, 33, 32 + s * 17 + 5, 57, dark(c, 0.35))
    pen.oval(24, 42, 40, 59, light(c, 0.65))
    for x, y in ((28, 48), (36, 48), (32, 53)):
        pen.line([(x - 2.4, y - 1.2), (x, y + 1.4), (x + 2.4, y - 1.2)], dark(c, 0.5), 1.1)
    for s in (-1, 1):
        pen.oval(32 + s * 8 - 8, 22, 32 + s * 8 + 8, 38, WHITE)
        pen.oval(32 + s * 7 - 5, 25, 32 + s * 7 + 5, 35, GOLD)
        pen.oval(32 + s * 6.5 - 2.8, 27, 32 + s * 6.5 + 2.8, 33, INK)
    pen.poly([(28.5, 34), (35.5, 34), (32, 41)], (240, 140, 30))
    return 32, 20, 19


def crab(pen: Pen, c: Colour) -> Head:
    for s in (-1, 1):
        for x, y in ((25, 50), (23, 56), (17, 61)):
            pen.line([(32 + s * 12, 48), (32 + s * x, y - 3), (32 + s * (x + 2), y + 2)], dark(c, 0.3), 2.6)
        pen.line([(32 + s * 17, 44), (32 + s * 24, 38), (32 + s * 22, 32)], dark(c, 0.2), 4.0)
        pen.oval(32 + s * 22 - 8, 19, 32 + s * 22 + 8, 35, c)
        pen.poly([(32 + s * 22, 29), (32 + s * 17, 17), (32 + s * 25, 17)], INK)
    pen.oval(11, 29, 53, 59, c)
    pen.oval(18, 47, 46, 58, light(c, 0.5))
    for s in (-1, 1):
        _eye(pen, 32 + s * 7.5, 38, 4.2)
        pen.oval(32 + s * 15 - 2, 43, 32 + s * 15 + 2, 46, dark(c, 0.35))
    pen.arc((26, 40, 38, 51), 25, 155, INK, 1.4)
    return 32, 31, 19


def alien(pen: Pen, c: Colour) -> Head:
    for s in (-1, 1):
        pen.line([(32 + s * 14, 33), (32 + s * 24, 25)], dark(c, 0.3), 2.4)
        pen.oval(32 + s * 24 - 4, 20, 32 + s * 24 + 4, 28, (255, 214, 70))
        pen.line([(32 + s * 6, 50), (32 + s * 13, 55), (32 + s * 13, 62)], dark(c, 0.2), 4.2)
    pen.line([(32, 50), (32, 62)], dark(c, 0.2), 4.2)
    pen.oval(22, 40, 42, 58, dark(c, 0.1))
    pen.oval(14, 17, 50, 48, c)
    pen.oval(22.5, 21, 41.5, 40, WHITE)
    pen.oval(26.5, 25, 37.5, 36, (60, 200, 150))
    pen.oval(29, 27.5, 35, 33.5, INK)
    pen.arc((25, 35, 39, 46), 30, 150, INK, 1.6)
    for x, y in ((19, 28), (18, 35), (45, 28), (46, 35)):
        pen.oval(x - 1.6, y - 1.6, x + 1.6, y + 1.6, dark(c, 0.4))
    return 32, 19, 19


DRAW: Final[dict[str, Callable[[Pen, Colour], Head]]] = {
    "cat": cat,
    "dog": dog,
    "fish": fish,
    "bird": bird,
    "car": car,
    "house": house,
    "tree": tree,
    "boat": boat,
    "mushroom": mushroom,
    "robot": robot,
    "ghost": ghost,
    "owl": owl,
    "crab": crab,
    "alien": alien,
}
"""Subjects that need only a colour; `knight` takes its attributes besides."""
