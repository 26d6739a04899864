"""What could be changed of a plan that needs more memory than there is, and what each change costs.

Changes are not guessed: each is made to the graph, or to the manner in which it runs, and priced like the plan itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import lcm
from typing import Final

from mosaic.compiler.context import Context
from mosaic.compiler.cost.predict import Prediction, price
from mosaic.compiler.cost.pricing import tile
from mosaic.compiler.cost.profile import Profile
from mosaic.compiler.ir.evaluate import constant
from mosaic.compiler.ir.graph import Graph, Node, map_graph, scalar
from mosaic.compiler.ir.ops import make, with_inputs
from mosaic.compiler.ir.origins import base_expert
from mosaic.compiler.types import Kind
from mosaic.compiler.verbs import LARGEST_SIDE, SMALLEST_TILE

Size = tuple[int, int]
_SIDES: Final = (1024, 768, 512, 384, 256, 192, 128, 96, 64)
"""Sides of tiles that are thought of, the largest that fits being the best: less is computed twice."""
_CODECS: Final = ("decode_latent", "encode_image")
_SIZE: Final = 5
"""Which input of `denoise` is its size."""


@dataclass(frozen=True)
class Change:
    """Something that makes a plan fit: a `tile` for whatever decodes and encodes, `rows` in a call, networks in main
    memory, other `operators`, a smaller `size`; what is left alone is None or false. With it the plan needs so many
    bytes at its peak, and takes so many seconds more with everything loaded."""

    tile: Size | None = None
    offload: bool = False
    rows: int | None = None
    operators: tuple[str, ...] = ()
    size: Size | None = None
    peak: int = 0
    added: float = 0.0

    @property
    def kinds(self) -> tuple[bool, ...]:
        """What it changes: tiles, where networks lie, rows."""
        return self.tile is not None, self.offload, self.rows is not None

    def contains(self, other: Change) -> bool:
        """Whether it changes all that another one does, as far or further."""
        tiles = other.tile is None or (self.tile is not None and self.tile <= other.tile)
        rows = other.rows is None or (self.rows is not None and self.rows <= other.rows)
        return tiles and rows and self.offload >= other.offload


@dataclass(frozen=True)
class Fitting:
    """A core graph that has to fit into so many bytes of a device."""

    graph: Graph
    context: Context
    device: Profile
    limit: float
    prediction: Prediction

    def changes(self) -> tuple[Change, ...]:
        """What makes it fit without another operator or a smaller picture, the cheapest first; of changes that do, none
        that contains another."""
        tried = sorted(self._mild(), key=_reach)
        if not tried or self._priced(tried[-1]).peak > self.limit:
            return ()
        found: list[Change] = []
        for change in tried:
            if not any(change.contains(each) for each in found):
                priced = self._priced(change)
                if priced.peak <= self.limit:
                    found.append(priced)
        cheapest: dict[tuple[bool, ...], Change] = {}
        for change in sorted(found, key=lambda each: each.added):
            cheapest.setdefault(change.kinds, change)
        return tuple(cheapest.values())

    def least(self) -> Change:
        """The change of these that needs least memory."""
        return min(map(self._priced, [*self._mild()] or [Change()]), key=lambda each: each.peak)

    def smaller(self) -> Change | None:
        """The largest size of the run at the peak, of the same shape, at which the plan fits; all runs shrink alike."""
        node = self.prediction.at_peak.node
        if node is None or min(at := self.prediction.nodes[node.digest].size) < 1:
            return None
        for part in range(15, 0, -1):
            graph = self._shrunk(part / 16)
            found = price(graph, self.context, self.device) if graph is not None else None
            if found is not None and found.peak <= self.limit:
                size = _scaled(at, part / 16, self._multiple())
                return Change(size=size, peak=found.peak, added=found.warm - self.prediction.warm)
        return None

    def _mild(self) -> Iterator[Change]:
        """Combinations of tiles, offloading and rows, none of them nothing."""
        manner = self.context.manner
        calls = (call for each in self.prediction.in_order for call in each.asked.calls)
        rows = max((manner.together(call.rows) for call in calls), default=1)
        fewer = [number for number in (8, 4, 2, 1) if number < rows]
        away = [True] if self.device.device != "cpu" and not manner.offload else []
        for side, offload, number in product([None, *self._tiles()], [False, *away], [None, *fewer]):
            if side or offload or number:
                yield Change(None if side is None else (side, side), offload, number)

    def _tiles(self) -> list[int]:
        multiple = self._multiple()
        coded = [node for node in self.graph.nodes() if node.op in _CODECS]
        known = self.prediction.nodes
        largest = max((max(tile(node) or known[node.digest].size) for node in coded), default=0)
        return [
            side
            for side in _SIDES
            if side < min(largest, LARGEST_SIDE) and side % multiple == 0 and side >= SMALLEST_TILE * multiple
        ]

    def _multiple(self) -> int:
        models = (node for node in self.graph.nodes() if node.op == "load_model")
        return lcm(*(base_expert(node).size_multiple for node in models))

    def _priced(self, change: Change) -> Change:
        graph = self.graph if change.tile is None else _in_tiles(self.graph, change.tile)
        manner = self.context.manner
        rows, offload = change.rows or manner.rows_at_once, change.offload or manner.offload
        manner = replace(manner, rows_at_once=rows, offload=offload)
        found = price(graph, self.context, self.device, manner)
        return replace(change, peak=found.peak, added=found.warm - self.prediction.warm)

    def _shrunk(self, part: float) -> Graph | None:
        """The graph with all runs at a part of their sizes; None where one would be nothing."""
        multiple = self._multiple()
        sizes = [constant(node.inputs[_SIZE]) for node in self.graph.nodes() if node.op == "denoise"]
        if any(not isinstance(size, tuple) or min(_scaled(size, part, multiple)) < 1 for size in sizes):
            return None

        def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
            size = constant(node.inputs[_SIZE]) if node.op == "denoise" else None
            if not isinstance(size, tuple):
                return with_inputs(node, inputs)
            smaller = scalar(Kind.SIZE, _scaled(size, part, multiple))
            return with_inputs(node, (*inputs[:_SIZE], smaller, *inputs[_SIZE + 1 :]))

        return map_graph(self.graph, rewrite)


def _reach(change: Change) -> tuple[int, float]:
    """How much is changed: of more things after fewer, by further after by less."""
    return sum(change.kinds), -(change.tile or (0, 0))[0] - (change.rows or 0)


def _in_tiles(graph: Graph, size: Size) -> Graph:
    """The graph with everything decoded and encoded in tiles of a size, or smaller ones where it says so."""

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        given = with_inputs(node, inputs)
        if node.op not in _CODECS or min(tile(node) or size) < min(size):
            return given
        return make(node.op, (*inputs[:2], scalar(Kind.SIZE, size)), like=node)

    return map_graph(graph, rewrite)


def _scaled(size: Size, part: float, multiple: int) -> Size:
    width, height = (int(side * part) // multiple * multiple for side in size)
    return width, height
