"""M306, M313, M408: operands that the operator can take, in the way they are written."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import operand
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.ir.origins import operands
from mosaic.compiler.operators import Acts, Operator
from mosaic.compiler.rules.place import place
from mosaic.compiler.source import Span
from mosaic.compiler.types import Kind


def fused_operands(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """What an operator cannot take or honour is refused, never ignored."""
    for node in graph.nodes():
        if node.op != "fuse":
            continue
        operator = context.operators[str(node.attribute("operator"))]
        for position, given in enumerate(node.inputs[1:], 1):
            yield from _kinds(node, position, given, operator)
            yield from _infixes(given, operator)
        yield from _repeats(node)


def _kinds(node: Node, position: int, given: Node, operator: Operator) -> Iterator[Diagnostic]:
    kind = given.type.kind
    if kind in operator.accepts or kind in (Kind.EMBEDDING, Kind.VAE):
        return
    spot = place(node, position)
    yield errors.types.NotAnOperand(
        spot.span, f"a {kind}", f"is nothing that `{operator.name}` can fuse", calls=spot.trail
    )


def _infixes(given: Node, operator: Operator) -> Iterator[Diagnostic]:
    while given.op in ("strength", "region", "window"):
        if given.op != "strength" and operator.acts is Acts.WEIGHTS:
            spot = place(given, 1)
            yield errors.types.CannotHonour(spot.span, operator.name, given.op, spot.trail)
        given = given.inputs[0]


def _repeats(node: Node) -> Iterator[Diagnostic]:
    seen: dict[str, Span | None] = {}
    tokens: dict[str, tuple[str, Span | None]] = {}
    inherited = operands(node.inputs[0])
    for given in inherited:
        below = operand(given)
        if below.type.kind is Kind.EMBEDDING:
            tokens[below.expert.trigger or ""] = (below.name, None)
    for position, given in enumerate(node.inputs[1:], 1):
        below, spot = operand(given), place(node, position)
        if below.digest in seen:
            yield errors.compatibility.FusedTwice(spot.span, below.name, seen[below.digest])
            continue
        seen[below.digest] = spot.span
        token = below.expert.trigger
        if below.type.kind is not Kind.EMBEDDING or token is None:
            continue
        if token in tokens:
            first, span = tokens[token]
            yield errors.compatibility.TokenClash(spot.span, first, below.name, token, span)
        tokens[token] = (below.name, spot.span)
