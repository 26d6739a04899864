"""Where to point: the words that a node, or one of its inputs, was written with."""

from __future__ import annotations

from dataclasses import dataclass

from mosaic.compiler.ir.graph import Node
from mosaic.compiler.source import Span


@dataclass(frozen=True)
class Place:
    """A span in the plan, and the way from there into a fragment, where the words stand in one."""

    span: Span | None
    trail: tuple[Span, ...] = ()


def place(node: Node, position: int | None = None) -> Place:
    """Where a node was written, or its input at a position."""
    origin = node.origin
    if origin is None:
        return Place(None)
    written = origin.span
    if position is not None and position < len(origin.inputs):
        written = origin.inputs[position] or written
    if not origin.calls:
        return Place(written)
    return Place(origin.calls[0], (*origin.calls[1:], written))
