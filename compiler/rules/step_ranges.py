"""M206, M305: ranges stand where steps are counted, and go up."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import constant
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.rules.place import place
from mosaic.compiler.verbs import MOST_STEPS, VERBS


def step_ranges(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Every range that an emit or a `let` came to hold, through names and fragments."""
    for node in graph.nodes():
        for position, given in enumerate(node.inputs):
            if given.op == "range" and not _counts_steps(node, position):
                spot = place(node, position)
                yield errors.names.misplaced_range(spot.span, spot.trail)
        if node.op == "range":
            yield from _bounds(node)


def _counts_steps(node: Node, position: int) -> bool:
    verb = VERBS.get(node.op)
    return verb is not None and position < len(verb.parameters) and verb.parameters[position].ranged


def _bounds(node: Node) -> Iterator[Diagnostic]:
    if any(given.op == "range" for given in node.inputs):
        return  # said already
    low, high = (constant(given) for given in node.inputs)
    assert isinstance(low, int) and isinstance(high, int), "both are ints, and fragments are inlined"
    where = "a range of steps"
    if low < 1:
        yield _report(node, 0, where, "begins at 1 or above", low, "1")
    if high > MOST_STEPS:
        yield _report(node, 1, where, f"ends at {MOST_STEPS} or below", high, str(MOST_STEPS))
    if 1 <= low <= MOST_STEPS and low > high:
        yield _report(node, None, where, "goes up", f"{low}..{high}", _turned(node))


def _turned(node: Node) -> str | None:
    """The bounds the other way round, where they are written beside each other."""
    spans = node.origin.inputs if node.origin else ()
    texts = [span.text for span in reversed(spans) if span is not None]
    return "..".join(texts) if len(texts) == 2 else None


def _report(
    node: Node, position: int | None, where: str, rule: str, value: object, fix: str | None
) -> errors.types.OutOfRange:
    spot = place(node, position)
    return errors.types.OutOfRange(
        spot.span, where, rule, str(value), None if spot.trail else fix, spot.trail
    )
