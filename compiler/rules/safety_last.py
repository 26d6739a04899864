"""M523: a safety expert that is marked to be merged last has nothing fused after it."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import operand
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.ir.origins import operands
from mosaic.compiler.operators import Law
from mosaic.compiler.rules.place import place
from mosaic.compiler.source import Span


def safety_last(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """In the call that an expert stands in, and in every call around it."""
    for node in graph.nodes():
        if node.op != "fuse":
            continue
        yield from _inside(node, context)
        yield from _around(node)


def _inside(node: Node, context: Context) -> Iterator[Diagnostic]:
    given = node.inputs[1:]
    for position, one in enumerate(given, 1):
        after = [other for other in given[position:] if not _is_last(other)]
        if not _is_last(one) or not after:
            continue
        below, spot = operand(one), place(node, position)
        next_ = given.index(after[0], position) + 1
        symmetric = Law.SYMMETRIC in context.operators[str(node.attribute("operator"))].laws
        yield errors.policy.NotLast(
            spot.span,
            below.type.kind.value,
            below.name,
            operand(after[0]).name,
            place(node, next_).span,
            spot.trail,
            _order(node, position),
            symmetric,
        )


def _around(node: Node) -> Iterator[Diagnostic]:
    """The first operand that comes after a safety expert of an inner fusion."""
    inner = [operand(given) for given in operands(node.inputs[0]) if _is_last(given)]
    late = [(position, given) for position, given in enumerate(node.inputs[1:], 1) if not _is_last(given)]
    if not inner or not late:
        return
    position, given = late[0]
    spot = place(node, position)
    for below in inner:
        yield errors.policy.NotLast(
            place(below).span,
            below.type.kind.value,
            below.name,
            operand(given).name,
            spot.span,
            place(below).trail,
        )


def _is_last(given: Node) -> bool:
    below = operand(given)
    return below.op == "expert" and below.expert.last


def _order(node: Node, position: int) -> tuple[Span, ...]:
    """The spans of the operands from a position on, where all of them can be moved by their text."""
    origin = node.origin
    if origin is None or origin.calls:
        return ()
    spans = origin.inputs[position : len(node.inputs)]
    return tuple(span for span in spans if span is not None) if None not in spans else ()
