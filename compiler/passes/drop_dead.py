"""Forget what no emit needs."""

from __future__ import annotations

from dataclasses import replace

from mosaic.compiler.context import Context
from mosaic.compiler.ir.graph import Graph


def drop_dead(graph: Graph, context: Context) -> Graph:
    """Graphs without bindings: what an emit needs hangs below it, the rest is not computed."""
    return replace(graph, bindings=())
