"""M420: a picture is sampled near the size that its model was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import constant
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.ir.origins import base_expert
from mosaic.compiler.rules.place import place
from mosaic.compiler.verbs import LARGEST_SIDE

FAR: Final = 4
"""How many times larger or smaller an area may be: twice or half of each side still makes one picture, mostly; sd1
(512x512) at 1024x1024 is the largest that anybody samples at once."""
_SIZE = 5


def native_sizes(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Look at every size that is given; one that is left out is the native one."""
    for node in graph.nodes():
        if node.op != "sample" or node.inputs[_SIZE].op == "default":
            continue
        base = base_expert(node.inputs[0])
        size, native = constant(node.inputs[_SIZE]), base.native_size
        if not isinstance(size, tuple) or native is None or min(*size, *native) < 1:
            continue
        if max(size) > LARGEST_SIDE or any(side % base.size_multiple for side in size):
            continue  # said by `ranges`
        area, usual = size[0] * size[1], native[0] * native[1]
        if usual <= area * FAR and area <= usual * FAR:
            continue
        spot = place(node, _SIZE)
        yield errors.usage.NativeSizeMismatch(spot.span, base.id, size, native, not spot.trail, spot.trail)
