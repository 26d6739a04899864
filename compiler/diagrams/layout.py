"""Where boxes stand and how arrows run: a layered drawing, from top to bottom.

Sugiyama, Tagawa, Toda (1981), "Methods for visual understanding of hierarchical system structures". Each box stands
below everything that it takes, no more than `MOST` beside each other. An arrow that goes further than one layer passes
those between in a lane of its own, which arrows of one start share. Sweeps by barycentres take crossings out; with the
order kept, each layer then stands where the squares of its distances from its neighbours are least (isotonic
regression, by pooling adjacent violators).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

MOST: Final = 12
"""Boxes in one layer."""
GAP: Final = 18.0
DOWN: Final = 40.0
_LANE: Final = 6.0
_NEAR: Final = 7.0
"""Between two lanes."""
_SWEEPS: Final = 12
_KEPT: Final = 0.85
"""Of the distance from the middle, in a sweep that pulls there."""


@dataclass(frozen=True)
class Place:
    """A box's upper left corner and size, in pixels."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Route:
    """The points of one arrow, straight down in pairs: out of its box, through each layer's lane, into a box."""

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Layout:
    """Places in the order of the boxes, routes in that of the arrows; all in `width` x `height` pixels."""

    places: tuple[Place, ...]
    routes: tuple[Route, ...]
    width: float
    height: float


@dataclass(eq=False)
class _Item:
    """A box or a lane; `x` is its middle. `above` and `below` are its neighbours in the layers next to its own."""

    width: float
    height: float = 0.0
    lane: bool = True
    above: list[_Item] = field(default_factory=list)
    below: list[_Item] = field(default_factory=list)
    at: int = 0
    x: float = 0.0


def lay_out(sizes: Sequence[tuple[float, float]], arrows: Sequence[tuple[int, int]]) -> Layout:
    """Place boxes of these sizes (width, height). An arrow goes from a box to a later one in the sequence."""
    if not sizes:
        return Layout((), (), 0.0, 0.0)
    depth = layers_of(len(sizes), arrows)
    boxes = [_Item(width, height, lane=False) for width, height in sizes]
    layers, ways = _items(boxes, depth, arrows)
    _order(layers)
    _place(layers)
    return _measured(boxes, depth, layers, arrows, ways)


def layers_of(count: int, arrows: Iterable[tuple[int, int]]) -> list[int]:
    """The layer of each box: below all that it takes, the highest that holds less than `MOST` boxes. They are asked in
    their order, so that what is made one after the other stands in bands, one below the other."""
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for start, end in arrows:
        above[end].append(start)
        below[start].append(end)
    depth, filled = [0] * count, [0] * (count + 1)
    for box in range(count):
        layer = max((depth[each] + 1 for each in above[box]), default=0)
        while filled[layer] >= MOST:
            layer += 1
        depth[box] = layer
        filled[layer] += 1
    _lower(depth, filled, above, below)
    # What was moved down may have left whole layers empty.
    used = {layer: number for number, layer in enumerate(sorted(set(depth)))}
    return [used[layer] for layer in depth]


def _lower(
    depth: list[int], filled: list[int], above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]
) -> None:
    """Move what takes one thing at most down to just above its first use, where there is room."""
    for box in range(len(depth) - 1, -1, -1):
        if len(above[box]) > 1 or not below[box]:
            continue
        last = min(depth[each] for each in below[box]) - 1
        free = [layer for layer in range(depth[box] + 1, last + 1) if filled[layer] < MOST]
        if free:
            filled[depth[box]] -= 1
            depth[box] = free[-1]
            filled[free[-1]] += 1


_Layers = list[list[_Item]]


def _items(
    boxes: Sequence[_Item], depth: Sequence[int], arrows: Sequence[tuple[int, int]]
) -> tuple[_Layers, list[list[_Item]]]:
    """The items of each layer, and the lanes of each arrow."""
    layers: _Layers = [[] for _ in range(max(depth) + 1)]
    for number, box in enumerate(boxes):
        layers[depth[number]].append(box)
    lanes: dict[tuple[int, int], _Item] = {}
    ways = []
    for start, end in arrows:
        way, last = list[_Item](), boxes[start]
        for level in range(depth[start] + 1, depth[end]):
            lane = lanes.get((start, level))
            if lane is None:
                lane = lanes[start, level] = _Item(_LANE)
                layers[level].append(lane)
                _join(last, lane)
            way.append(lane)
            last = lane
        _join(last, boxes[end])
        ways.append(way)
    return layers, ways


def _join(upper: _Item, lower: _Item) -> None:
    upper.below.append(lower)
    lower.above.append(upper)


def _order(layers: _Layers) -> None:
    """Order each layer so that few arrows cross: the best of several sweeps down and up.

    Lanes begin in the middle, so that what hangs on one stands evenly on its two sides.
    """
    for layer in layers:
        boxes = [item for item in layer if not item.lane]
        half = len(boxes) // 2
        layer[:] = [*boxes[:half], *(item for item in layer if item.lane), *boxes[half:]]
    _number(layers)
    best, fewest = [list(layer) for layer in layers], _crossings(layers)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for layer in layers[1:] if down else reversed(layers[:-1]):
            layer.sort(key=lambda item: _middle(item, item.above if down else item.below))
            _number([layer])
        found = _crossings(layers)
        if found < fewest:
            best, fewest = [list(layer) for layer in layers], found
    layers[:] = best
    _number(layers)


def _middle(item: _Item, beside: Sequence[_Item]) -> float:
    return sum(each.at for each in beside) / len(beside) if beside else float(item.at)


def _number(layers: Iterable[Sequence[_Item]]) -> None:
    for layer in layers:
        for number, item in enumerate(layer):
            item.at = number


def _crossings(layers: _Layers) -> int:
    """How many pairs of arrows cross."""
    count = 0
    for layer in layers:
        seen: list[int] = []
        for item in layer:
            ends = sorted(each.at for each in item.below)
            count += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return count


def _place(layers: _Layers) -> None:
    """Sweep up and down. What hangs on nothing but its like would drift aside, so most sweeps also pull to the middle;
    the last ones only straighten."""
    for layer in layers:
        _settle(layer, [0.0] * len(layer))
    for sweep in range(_SWEEPS + 1):
        down = sweep % 2 == 0
        kept = _KEPT if sweep < _SWEEPS - 4 else 1.0
        for layer in layers if down else reversed(layers):
            _settle(layer, [kept * _pulled(item, down=down) for item in layer])


def _pulled(item: _Item, *, down: bool) -> float:
    """Where an item would stand alone: below, or above, the middle of its neighbours."""
    beside = (item.above or item.below) if down else (item.below or item.above)
    return sum(each.x for each in beside) / len(beside) if beside else item.x


def _settle(layer: Sequence[_Item], wanted: Sequence[float]) -> None:
    """As near to where each would stand as the order and the gaps allow."""
    offsets, edge = list[float](), 0.0
    for number, item in enumerate(layer):
        if number:
            last = layer[number - 1]
            gap = _NEAR if item.lane and last.lane else GAP
            edge += last.width / 2 + gap + item.width / 2
        offsets.append(edge)
    weights = [4.0 if item.lane else 1.0 for item in layer]
    blocks: list[tuple[float, float, int]] = []  # mean, weight, items
    for place, offset, weight in zip(wanted, offsets, weights, strict=True):
        mean, total, size = place - offset, weight, 1
        while blocks and blocks[-1][0] > mean:
            other, more, items = blocks.pop()
            mean = (mean * total + other * more) / (total + more)
            total, size = total + more, size + items
        blocks.append((mean, total, size))
    means = [mean for mean, _, size in blocks for _ in range(size)]
    for item, mean, offset in zip(layer, means, offsets, strict=True):
        item.x = mean + offset


def _measured(
    boxes: Sequence[_Item],
    depth: Sequence[int],
    layers: _Layers,
    arrows: Sequence[tuple[int, int]],
    ways: Sequence[Sequence[_Item]],
) -> Layout:
    items = [item for layer in layers for item in layer]
    left = min(item.x - item.width / 2 for item in items)
    right = max(item.x + item.width / 2 for item in items)
    tops, feet, y = list[float](), list[float](), 0.0
    for layer in layers:
        tops.append(y)
        y += max(item.height for item in layer)
        feet.append(y)
        y += DOWN
    places = [
        Place(round(box.x - box.width / 2 - left, 1), tops[level], box.width, box.height)
        for box, level in zip(boxes, depth, strict=True)
    ]
    routes = []
    for (start, end), way in zip(arrows, ways, strict=True):
        first, x = places[start], round(boxes[start].x - left, 1)
        points = [(x, first.y + first.height), (x, feet[depth[start]])]
        for level, lane in enumerate(way, depth[start] + 1):
            x = round(lane.x - left, 1)
            points += [(x, tops[level]), (x, feet[level])]
        points.append((round(boxes[end].x - left, 1), places[end].y))
        routes.append(Route(tuple(points)))
    return Layout(tuple(places), tuple(routes), round(right - left, 1), round(feet[-1], 1))
