"""Rewrites of the graph. One pass, one file, one verb; the order is the tuple below.

A pass takes a valid graph and gives a valid graph that computes the same. `RESOLVE` makes the graph what the
rules judge: no fragments, an expert for each `find`, an operator for each fusion, a number for each range of steps, a
bridge for each `align`.
`OPTIMISE` follows once a plan is known to be sound; any of it but `expand_verbs` can be left out without changing a
byte of the result, and tests do so.
"""

from __future__ import annotations

from collections.abc import Callable

from mosaic.compiler.context import Context
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.ir.verify import verify
from mosaic.compiler.passes.choose_bridges import choose_bridges
from mosaic.compiler.passes.choose_operators import choose_operators
from mosaic.compiler.passes.choose_steps import choose_steps
from mosaic.compiler.passes.cut_at_windows import cut_at_windows
from mosaic.compiler.passes.drop_dead import drop_dead
from mosaic.compiler.passes.drop_idle import drop_idle
from mosaic.compiler.passes.expand_verbs import expand_verbs
from mosaic.compiler.passes.fold_constants import fold_constants
from mosaic.compiler.passes.inline_fragments import inline_fragments
from mosaic.compiler.passes.order_operands import order_operands
from mosaic.compiler.passes.resolve_finds import resolve_finds
from mosaic.compiler.passes.share_codecs import share_codecs
from mosaic.compiler.passes.share_encodings import share_encodings
from mosaic.compiler.passes.share_equal import share_equal
from mosaic.compiler.passes.share_prefixes import share_prefixes
from mosaic.compiler.passes.skip_unconditional import skip_unconditional
from mosaic.compiler.passes.spell_operands import spell_operands

Pass = Callable[[Graph, Context], Graph]

RESOLVE: tuple[Pass, ...] = (inline_fragments, resolve_finds, choose_operators, choose_steps, choose_bridges)
OPTIMISE: tuple[Pass, ...] = (
    fold_constants,
    spell_operands,
    drop_idle,
    order_operands,
    expand_verbs,
    cut_at_windows,
    skip_unconditional,
    share_encodings,
    share_codecs,
    share_prefixes,
    share_equal,
    drop_dead,
)


def run_passes(graph: Graph, context: Context, passes: tuple[Pass, ...]) -> Graph:
    """Apply passes in order, verifying after each what it made anew."""
    sound: Graph | None = None
    for rewrite in passes:
        graph = sound = verify(rewrite(graph, context), rewrite.__name__, sound)
    return graph
