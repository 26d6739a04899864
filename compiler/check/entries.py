"""The entries of `budget` and `policy` blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mosaic.compiler import errors
from mosaic.compiler.check.world import World
from mosaic.compiler.source import Span
from mosaic.compiler.syntax import tree


def entries(blocks: Sequence[tree.Budget | tree.Policy], world: World) -> Iterator[tree.Entry]:
    """All entries of some blocks of one level, in order. A key that was given before is reported and left out."""
    places: dict[str, Span] = {}
    for entry in (entry for block in blocks for entry in block.entries):
        key = entry.key.text
        if key in places:
            world.sink.add(errors.types.ArgumentTwice(entry.span, key, places[key]))
            continue
        places[key] = entry.span
        yield entry
